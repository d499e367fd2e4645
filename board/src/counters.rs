//! The counters of one board.

use mx_ring::Counter;
use mx_ring::board_page::COUNTERS;

/// How often each [`Counter`] was counted. The values wrap at 32 bits, as Open-MX's do.
#[derive(Clone, Debug)]
pub struct Counters([u32; COUNTERS]);

impl Counters {
    pub(crate) const fn new() -> Self {
        Self([0; COUNTERS])
    }

    pub(crate) fn count(&mut self, counter: Counter) {
        let value = &mut self.0[counter as usize];
        *value = value.wrapping_add(1);
    }

    /// The value of one counter.
    pub const fn get(&self, counter: Counter) -> u32 {
        self.0[counter as usize]
    }

    /// All values, by the counters' numbers.
    pub const fn all(&self) -> &[u32; COUNTERS] {
        &self.0
    }
}
