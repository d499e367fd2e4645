//! How much of the time the management may take from the guests: while they have something to do, it rests after
//! each piece of work for so many times as long as that took.

use core::time::Duration;

/// While others have work, the management has at most this part of the time.
pub const CPU_PART: u32 = 64;

/// When the management may work.
#[derive(Debug, Default)]
pub struct CpuBudget {
    rests_until: Duration,
}

impl CpuBudget {
    /// Whether it may work at `now`; `others` says that somebody else has work. With nobody to be held up it always may.
    pub fn allows(&self, now: Duration, others: bool) -> bool {
        !others || now >= self.rests_until
    }

    /// It has worked from `begun` to `ended`.
    pub fn worked(&mut self, begun: Duration, ended: Duration) {
        self.rests_until = ended + ended.saturating_sub(begun) * (CPU_PART - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn while_others_work_it_takes_its_part_of_the_time_and_no_more(
            pieces in proptest::collection::vec(1u64..5_000, 1..200),
            round in 1u64..1_000,
        ) {
            let mut budget = CpuBudget::default();
            let (mut now, mut taken) = (Duration::from_secs(1), Duration::ZERO);
            let begun = now;
            for piece in pieces {
                while !budget.allows(now, true) {
                    now += Duration::from_nanos(round);
                }
                let before = now;
                now += Duration::from_nanos(piece);
                taken += now - before;
                budget.worked(before, now);
            }
            while !budget.allows(now, true) {
                now += Duration::from_nanos(round);
            }
            prop_assert!(taken * CPU_PART <= now - begun);
            // Nor is it kept waiting for much longer.
            prop_assert!(taken * CPU_PART + Duration::from_nanos(round) * 201 >= now - begun);
        }
    }

    #[test]
    fn with_nobody_to_be_held_up_it_goes_on() {
        let mut budget = CpuBudget::default();
        budget.worked(Duration::from_secs(1), Duration::from_secs(2));
        assert!(budget.allows(Duration::from_secs(2), false));
        assert!(!budget.allows(Duration::from_secs(2), true));
        assert!(budget.allows(Duration::from_secs(65), true));
    }
}
