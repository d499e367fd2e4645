//! A medium message whose fragments are coming, in any order, from a peer that is not trusted.

use crate::config::FRAGMENTS_MAX;
use crate::state::keys::{RequestKey, UnexpectedKey};
use crate::state::sequence::Sequence;

/// Where the fragments go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Into a receive's memory.
    Receive(RequestKey),
    /// Into an unexpected message's buffer.
    Unexpected(UnexpectedKey),
    /// The application does not want it.
    Nobody,
}

/// A message that is not whole yet.
#[derive(Debug)]
pub struct Assembly {
    /// The number that all fragments of the message carry.
    pub seq: Sequence,
    /// Bytes of it.
    pub total: u32,
    /// Where it goes.
    pub target: Target,
    received: u32,
    accumulated: u32,
}

/// What a fragment did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It was there already, or does not fit: dropped.
    Dropped,
    /// It is new; more are missing.
    Partial,
    /// It is new, and the last.
    Whole,
}

/// Where a fragment starts in its message, when number, length and total agree with the fragment size of this board:
/// each fragment but the last is full, and there are at most 32.
#[inline]
pub fn fragment_offset(fragment_size: u32, total: u32, number: u8, length: usize) -> Option<u32> {
    if u32::from(number) >= FRAGMENTS_MAX || total > fragment_size.checked_mul(FRAGMENTS_MAX)? {
        return None;
    }
    let offset = u32::from(number) * fragment_size;
    let expected = total.checked_sub(offset)?.min(fragment_size);
    (expected > 0 && expected as usize == length).then_some(offset)
}

impl Assembly {
    /// A message without any fragment yet.
    #[inline]
    pub fn new(seq: Sequence, total: u32, target: Target) -> Self {
        Self {
            seq,
            total,
            target,
            received: 0,
            accumulated: 0,
        }
    }

    /// Counts a fragment whose place [`fragment_offset`] has checked against `total`.
    #[inline]
    pub fn count(&mut self, total: u32, number: u8, length: u32) -> Progress {
        let Some(bit) = 1u32.checked_shl(number.into()) else {
            return Progress::Dropped;
        };
        if total != self.total || self.received & bit != 0 {
            return Progress::Dropped;
        }
        self.received |= bit;
        self.accumulated += length;
        if self.accumulated == self.total {
            Progress::Whole
        } else {
            Progress::Partial
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_fragment_that_is_accepted_lies_within_its_message(
            size in 1u32..10_000, total: u32, number: u8, length in 0usize..20_000,
        ) {
            if let Some(offset) = fragment_offset(size, total, number, length) {
                prop_assert!(u64::from(offset) + length as u64 <= u64::from(total));
                prop_assert!(total <= size * 32);
            }
        }

        #[test]
        fn a_message_is_whole_exactly_when_each_fragment_was_counted_once(
            total in 1u32..(32 * 100), order in proptest::collection::vec(0u8..32, 0..200),
        ) {
            let mut assembly = Assembly::new(Sequence::FIRST, total, Target::Receive(RequestKey::default()));
            let mut seen = std::collections::HashSet::new();
            for number in order {
                let length = (1..=100usize).find(|n| fragment_offset(100, total, number, *n).is_some());
                let Some(length) = length else { continue };
                let progress = assembly.count(total, number, length as u32);
                let new = seen.insert(number);
                let whole = seen.len() as u32 == total.div_ceil(100);
                let expected = match (new, whole) {
                    (false, _) => Progress::Dropped,
                    (true, true) => Progress::Whole,
                    (true, false) => Progress::Partial,
                };
                prop_assert_eq!(progress, expected);
            }
        }
    }

    #[test]
    fn fragments_that_disagree_about_the_total_are_dropped() {
        let mut assembly =
            Assembly::new(Sequence::FIRST, 200, Target::Receive(RequestKey::default()));
        assert_eq!(assembly.count(200, 0, 100), Progress::Partial);
        assert_eq!(assembly.count(300, 1, 100), Progress::Dropped);
        assert_eq!(assembly.count(200, 1, 100), Progress::Whole);
    }
}
