//! How much others may cause here: so much at once, then so much in a time.

use core::time::Duration;

use crate::time::Instant;

/// A token bucket: `BURST` at once, then one each `MILLIS` milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenBucket<const BURST: u8, const MILLIS: u64> {
    left: u8,
    since: Instant,
}

/// Nacks for a peer. A session is 32 bits: unlimited answers to wrong ones would let a neighbour try them all
/// (interfaces.md §1).
pub(crate) type NackBucket = TokenBucket<64, 8>;

/// Messages of a board of this backend that name a session which nobody has. A good one shows itself without a nack, so it
/// is the tries that are limited: more than this in a row, and nothing of that board gets in. Honest ones are messages on
/// their way to an endpoint that was closed.
pub(crate) type TryBucket = TokenBucket<255, 1>;

/// Host queries of a peer that are answered. One that has not heard the answer asks again ten times a second at most.
pub(crate) type QueryBucket = TokenBucket<16, 50>;

/// Strangers that take the places of others in a table of peers. Each costs a search and a question on the wire.
pub(crate) type StrangerBucket = TokenBucket<64, 4>;

impl<const BURST: u8, const MILLIS: u64> Default for TokenBucket<BURST, MILLIS> {
    fn default() -> Self {
        Self {
            left: BURST,
            since: Instant::default(),
        }
    }
}

impl<const BURST: u8, const MILLIS: u64> TokenBucket<BURST, MILLIS> {
    /// Whether there is a token.
    #[inline]
    pub fn has(&self, now: Instant) -> bool {
        self.left > 0 || now - self.since >= Duration::from_millis(MILLIS)
    }

    /// Takes one token, if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        let one = Duration::from_millis(MILLIS).as_nanos();
        let earned = (now - self.since).as_nanos() / one;
        if earned > 0 {
            self.left = self
                .left
                .saturating_add(u8::try_from(earned).unwrap_or(BURST))
                .min(BURST);
            self.since = now;
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_gets_a_burst_of_nacks_and_then_a_few_a_second() {
        let mut bucket = NackBucket::default();
        let start = Instant::from_nanos(5_000_000_000);
        let burst = (0..1000).filter(|_| bucket.take(start)).count();
        assert_eq!(burst, 64);
        assert!(!bucket.has(start));
        assert!(bucket.has(start + Duration::from_millis(8)));
        let per_second = (0..10_000)
            .filter(|i| bucket.take(start + Duration::from_micros(i * 100)))
            .count();
        assert!(
            (120..=126).contains(&per_second),
            "{per_second} nacks in a second"
        );
    }
}
