//! How many nacks a peer may cause. A session is 32 bits: unlimited answers to wrong ones would let a neighbour try
//! them all (interfaces.md §1).

use core::time::Duration;

use crate::time::Instant;

const BURST: u8 = 64;
const ONE_PER: Duration = Duration::from_millis(8);

/// What is left of one peer's allowance: 64 nacks at once, then 125 a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NackAllowance {
    left: u8,
    since: Instant,
}

impl Default for NackAllowance {
    fn default() -> Self {
        Self {
            left: BURST,
            since: Instant::default(),
        }
    }
}

impl NackAllowance {
    /// Takes one nack out of the allowance, if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        let earned = (now - self.since).as_nanos() / ONE_PER.as_nanos();
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
        let mut allowance = NackAllowance::default();
        let start = Instant::from_nanos(5_000_000_000);
        let burst = (0..1000).filter(|_| allowance.take(start)).count();
        assert_eq!(burst, usize::from(BURST));
        let per_second = (0..10_000)
            .filter(|i| allowance.take(start + Duration::from_micros(i * 100)))
            .count();
        assert!(
            (120..=126).contains(&per_second),
            "{per_second} nacks in a second"
        );
    }
}
