//! How long something waits for a window that does not reach the bytes it wants. Nothing tells the board that a process
//! has moved a window, so it looks: soon at first, then ever more rarely, so that a process that does not answer costs next
//! to nothing, and one that does waits at most twice as long as it takes.

use core::time::Duration;

const FIRST: Duration = Duration::from_micros(100);
/// About 100 ms in the end.
const DOUBLINGS: u32 = 10;

/// The waits of one transfer for one place of its window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    looks: u32,
}

impl Backoff {
    /// Nothing was waited for yet.
    pub const fn new() -> Self {
        Self { looks: 0 }
    }

    /// How long to wait before the next look.
    pub fn next_wait(&mut self) -> Duration {
        let wait = FIRST * (1 << self.looks);
        self.looks = (self.looks + 1).min(DOUBLINGS);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_grow_to_a_tenth_of_a_second() {
        let mut backoff = Backoff::new();
        let waits: [Duration; 30] = core::array::from_fn(|_| backoff.next_wait());
        assert_eq!(waits[..2], [FIRST, 2 * FIRST]);
        assert_eq!(waits[29], Duration::from_micros(102_400));
        let before_it: Duration = waits[..10].iter().sum();
        assert!(waits[10] <= before_it + FIRST, "at most twice as long");
    }
}
