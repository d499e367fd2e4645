//! Which buffers have carried a message before: registering pays from the second one on.

use std::collections::VecDeque;

/// Buffers that are remembered.
const REMEMBERED: usize = 128;

/// The buffers of the last messages, by the pages that they lie in.
#[derive(Debug, Default)]
pub struct FirstUses {
    recent: VecDeque<(u64, u64)>,
}

impl FirstUses {
    /// Whether no recent message lay in the pages `start .. end`. It has, from now on.
    pub fn is_first(&mut self, start: u64, end: u64) -> bool {
        if self.recent.contains(&(start, end)) {
            return false;
        }
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back((start, end));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_new_once_and_again_when_many_others_came_in_between() {
        let mut uses = FirstUses::default();
        assert!(uses.is_first(1, 2));
        assert!(!uses.is_first(1, 2));
        assert!(uses.is_first(1, 3));
        for other in 0..REMEMBERED as u64 {
            uses.is_first(10 + other, 1000);
        }
        assert!(uses.is_first(1, 2));
    }
}
