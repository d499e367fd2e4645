//! Looks again and again, by programs that poll and by waits that never sleep: what else has to be done meanwhile.
//!
//! Where there are fewer processors than who would run, the node that is to bring what is looked for waits for a processor
//! that the looks use up. So they give it away now and then. Whether that is any use they learn from the last time: where
//! nobody else has run meanwhile, the next time comes much later.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Fruitless looks between two turns of the other endpoints of the process.
const ROUND: u32 = 16;
/// Fruitless looks before the processor is given away, where somebody needs it: some microseconds.
const FEWEST: u32 = 64;
/// The same where nobody does: some tenths of a millisecond, of which giving away takes a few thousandths.
const MOST: u32 = 1 << 13;
/// A sleep that certainly leaves the processor to the node. What yields may leave it where it is.
const SLEEP: Duration = Duration::from_micros(50);

/// The looks at one endpoint. Threads that look at it at the same time share the counts, which need not be exact.
#[derive(Debug)]
pub struct Polling {
    /// Fruitless looks since something was found.
    fruitless: AtomicU32,
    /// Fruitless looks since the processor was last given away.
    kept: AtomicU32,
    /// How many there may be.
    pause: AtomicU32,
}

impl Default for Polling {
    fn default() -> Self {
        Self {
            fruitless: AtomicU32::new(0),
            kept: AtomicU32::new(0),
            pause: AtomicU32::new(FEWEST),
        }
    }
}

/// What is to be done before the next look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// The other endpoints of the process get their turn.
    Others,
    /// The same, then the processor is given away.
    HandOver,
}

impl Polling {
    /// Something was found.
    #[inline]
    pub fn found(&self) {
        self.fruitless.store(0, Ordering::Relaxed);
    }

    /// So many looks have found nothing.
    #[inline]
    pub fn fruitless(&self, looks: u32) -> Due {
        let add = |count: &AtomicU32| {
            let sum = count.load(Ordering::Relaxed).wrapping_add(looks);
            count.store(sum, Ordering::Relaxed);
            sum
        };
        if add(&self.kept) >= self.pause.load(Ordering::Relaxed) {
            return Due::HandOver;
        }
        if add(&self.fruitless) % ROUND < looks {
            Due::Others
        } else {
            Due::Nothing
        }
    }

    /// Gives the processor away; to a node that is `starved`, certainly.
    pub fn hand_over(&self, starved: bool) {
        self.kept.store(0, Ordering::Relaxed);
        let (begun, ran) = (time(ClockId::Monotonic), time(ClockId::ThreadCPUTime));
        if starved {
            std::thread::sleep(SLEEP);
        } else {
            std::thread::yield_now();
        }
        let ran = time(ClockId::ThreadCPUTime).saturating_sub(ran);
        let took = time(ClockId::Monotonic).saturating_sub(begun);
        self.learn(took > ran * 2);
    }

    /// Whether somebody else has run meanwhile.
    fn learn(&self, needed: bool) {
        let pause = self.pause.load(Ordering::Relaxed);
        let pause = if needed {
            FEWEST
        } else {
            (pause * 2).min(MOST)
        };
        self.pause.store(pause, Ordering::Relaxed);
    }
}

fn time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The looks until the processor is given away.
    fn looks(polling: &Polling) -> u32 {
        let mut looks = 1;
        while polling.fruitless(1) != Due::HandOver {
            looks += 1;
        }
        polling.kept.store(0, Ordering::Relaxed);
        looks
    }

    #[test]
    fn where_nobody_needs_the_processor_it_is_given_away_ever_more_rarely() {
        let polling = Polling::default();
        let mut all = Vec::new();
        for _ in 0..10 {
            all.push(looks(&polling));
            polling.learn(false);
        }
        assert_eq!(all[..3], [64, 128, 256]);
        assert_eq!(all[9], MOST);
    }

    #[test]
    fn where_somebody_has_run_it_is_given_away_often_again_at_once() {
        let polling = Polling::default();
        (0..10).for_each(|_| polling.learn(false));
        polling.learn(true);
        assert_eq!(looks(&polling), FEWEST);
    }

    #[test]
    fn looks_that_found_something_do_not_count() {
        let polling = Polling::default();
        for _ in 0..FEWEST - 1 {
            polling.fruitless(1);
            polling.found();
        }
        assert_eq!(polling.fruitless(1), Due::HandOver);
    }

    #[test]
    fn other_endpoints_get_their_turn_after_each_round_of_fruitless_looks() {
        let polling = Polling::default();
        polling.learn(false);
        let others = (0..64).filter(|_| polling.fruitless(1) == Due::Others);
        assert_eq!(others.count(), 4);
        assert_eq!(polling.fruitless(ROUND), Due::Others);
    }

    #[test]
    fn a_sleep_leaves_the_processor_to_others() {
        let polling = Polling::default();
        (0..10).for_each(|_| polling.learn(false));
        polling.hand_over(true);
        assert_eq!(looks(&polling), FEWEST);
    }
}
