//! Whether a backend's wake-ups of an endpoint are worth an interrupt.
//!
//! Xen lets a driver slow down who sends events for nothing: each one that is called spurious keeps the channel masked twice
//! as long as the one before, up to a second. A wake-up is worth something when the endpoint has been armed since the last
//! one. A sleeper that is woken and finds nothing arms again; so a backend that wakes for nothing would earn each of its
//! wake-ups by the one before. Those in vain are counted, therefore, until one was not.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Wake-ups in vain, one after the other, that an honest backend may come to: it answers to an arming whose sleeper has found
/// something by itself.
const IN_VAIN: u32 = 4;

/// The wake-ups of an endpoint.
pub struct Wakes {
    /// What the counter of armings was at the last one.
    answered: AtomicU32,
    /// Nobody has looked since the last one.
    unseen: AtomicBool,
    in_vain: AtomicU32,
}

impl Wakes {
    /// None yet.
    #[allow(clippy::new_without_default, reason = "it is for tables of constants")]
    pub const fn new() -> Self {
        Self {
            answered: AtomicU32::new(0),
            unseen: AtomicBool::new(false),
            in_vain: AtomicU32::new(0),
        }
    }

    /// The interrupt: the backend wakes the endpoint, which has been armed so often. Whether that was worth it.
    pub fn woken(&self, armed: u32) -> bool {
        self.unseen.store(true, Ordering::Release);
        let earned = self.answered.swap(armed, Ordering::AcqRel) != armed;
        earned && self.in_vain.load(Ordering::Acquire) < IN_VAIN
    }

    /// Who sleeps at the endpoint, or polls it, has looked, before arming or after, and found something or not.
    pub fn looked(&self, found: bool) {
        if found {
            self.in_vain.store(0, Ordering::Release);
        } else if self.unseen.swap(false, Ordering::AcqRel) {
            // At worst two that look at the same time count as one.
            let in_vain = self.in_vain.load(Ordering::Acquire);
            self.in_vain
                .store(in_vain.saturating_add(1), Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_of_wakeups_is_worth_nothing_whether_somebody_sleeps_or_not() {
        let wakes = Wakes::new();
        // Nobody sleeps.
        assert_eq!((0..100).filter(|_| wakes.woken(0)).count(), 0);
        // Somebody does, finds nothing each time, and arms again.
        wakes.looked(false);
        let mut worth = 0;
        for armed in 1..100 {
            worth += u32::from(wakes.woken(armed));
            wakes.looked(false);
        }
        assert!(worth <= IN_VAIN, "{worth}");
    }

    #[test]
    fn who_finds_events_just_after_arming_makes_no_liar_of_the_backend() {
        let wakes = Wakes::new();
        for armed in 1..100 {
            // Nothing, armed, something: the wake-up for it comes when the process is back.
            wakes.looked(false);
            wakes.looked(true);
            assert!(wakes.woken(armed), "{armed}");
        }
    }

    #[test]
    fn each_wakeup_of_an_honest_backend_is_worth_it_also_after_a_liar() {
        let wakes = Wakes::new();
        for armed in 1..100 {
            wakes.woken(armed);
            wakes.looked(false);
        }
        // An event came by itself, and was found.
        wakes.looked(true);
        for turn in 0..100 {
            // Armed, something found at the second look, armed again, asleep: the first wake-up is for the first arming.
            let armed = 100 + turn * 3;
            wakes.looked(true);
            assert!(wakes.woken(armed + 1), "{turn}");
            wakes.looked(false);
            assert!(wakes.woken(armed + 2), "{turn}");
            wakes.looked(true);
        }
    }
}
