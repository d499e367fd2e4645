//! The counters of one board.

use mx_ring::Counter;
use mx_ring::board_page::COUNTERS;

/// How often each [`Counter`] was counted. The values wrap at 32 bits, as Open-MX's do.
#[derive(Clone, Debug)]
pub struct Counters {
    values: [u32; COUNTERS],
    /// A bit for each that may have another value than it was published with.
    changed: u128,
}

const _: () = assert!(COUNTERS <= u128::BITS as usize);

impl Counters {
    pub(crate) const fn new() -> Self {
        Self {
            values: [0; COUNTERS],
            changed: u128::MAX >> (u128::BITS as usize - COUNTERS),
        }
    }

    pub(crate) fn count(&mut self, counter: Counter) {
        debug_assert!(counter.never().is_none(), "{}", counter.label());
        let value = &mut self.values[counter as usize];
        *value = value.wrapping_add(1);
        self.changed |= 1 << counter as u32;
    }

    /// The value of one counter.
    pub const fn get(&self, counter: Counter) -> u32 {
        self.values[counter as usize]
    }

    /// All values, by the counters' numbers.
    pub const fn all(&self) -> &[u32; COUNTERS] {
        &self.values
    }

    /// The counters that have changed since this was asked last: their numbers and values.
    pub fn take_changed(&mut self) -> impl Iterator<Item = (usize, u32)> {
        let mut changed = core::mem::take(&mut self.changed);
        core::iter::from_fn(move || {
            let number = changed.trailing_zeros() as usize;
            let value = self.values.get(number)?;
            changed &= changed - 1;
            Some((number, *value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn a_counter_is_told_once_for_each_change_and_at_first() {
        let mut counters = Counters::new();
        assert_eq!(counters.take_changed().count(), COUNTERS);
        counters.count(Counter::SharedTiny);
        counters.count(Counter::SendTiny);
        counters.count(Counter::SendTiny);
        let told: Vec<(usize, u32)> = counters.take_changed().collect();
        let shared = Counter::SharedTiny as usize;
        assert_eq!(told, [(Counter::SendTiny as usize, 2), (shared, 1)]);
        assert_eq!(counters.take_changed().count(), 0);
    }
}
