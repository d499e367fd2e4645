//! Which data is under way beside its message, by codes that each receiver has for itself.

use std::collections::HashMap;

use crate::address::Name;
use crate::match_info::BESIDE_COUNT;

/// Data that is under way beside its message.
#[derive(Debug, Default)]
pub struct Beside {
    /// A receiver knows a code by who has sent it: each has codes of its own.
    codes: HashMap<Name, Codes>,
    /// What peers have taken is awaited.
    pub awaits: bool,
}

/// Codes of one receiver.
#[derive(Debug, Default)]
struct Codes {
    free: Vec<u32>,
    /// Which are under way.
    given: Vec<bool>,
}

impl Beside {
    /// A code for data to that receiver; nothing when all are under way.
    pub fn take(&mut self, to: Name) -> Option<u32> {
        self.codes.entry(to).or_default().take()
    }

    /// The receiver says that it is not under way any more, and may say anything.
    pub fn give_back(&mut self, to: Name, code: u32) {
        if let Some(codes) = self.codes.get_mut(&to) {
            codes.give_back(code);
        }
    }
}

impl Codes {
    /// One that is not under way; nothing when all are.
    fn take(&mut self) -> Option<u32> {
        let next = self.given.len() as u32;
        let code = match self.free.pop() {
            Some(code) => code,
            None if next < BESIDE_COUNT => {
                self.given.push(false);
                next
            }
            None => return None,
        };
        self.given[code as usize] = true;
        Some(code)
    }

    /// It is not under way any more, if it was.
    fn give_back(&mut self, code: u32) {
        if let Some(given @ true) = self.given.get_mut(code as usize) {
            *given = false;
            self.free.push(code);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_given_once_until_it_comes_back_whatever_a_receiver_says() {
        let mut codes = Codes::default();
        codes.give_back(0);
        let all: Vec<u32> = core::iter::from_fn(|| codes.take()).collect();
        assert!(all.iter().copied().eq(0..BESIDE_COUNT));
        assert_eq!(codes.take(), None);
        for code in [7, 7, u32::MAX] {
            codes.give_back(code);
        }
        assert_eq!(codes.take(), Some(7));
        assert_eq!(codes.take(), None);
    }
}
