//! Wake-ups that make the sleepers of an endpoint return, whether there are events or not.
//!
//! Each is remembered until a sleeper has returned with it: a process that was about to sleep, or whose sleep a signal
//! has interrupted and begun anew, must not sleep on it.

use core::sync::atomic::{AtomicU32, Ordering};

/// The wake-ups of an endpoint, counted.
pub struct Returns {
    told: AtomicU32,
    taken: AtomicU32,
}

impl Returns {
    /// None yet.
    #[allow(clippy::new_without_default, reason = "it is for tables of constants")]
    pub const fn new() -> Self {
        Self {
            told: AtomicU32::new(0),
            taken: AtomicU32::new(0),
        }
    }

    /// Makes sleepers return. They must be woken then.
    pub fn tell(&self) {
        self.told.fetch_add(1, Ordering::Release);
    }

    /// What a sleeper keeps when it begins.
    pub fn begin(&self) -> u32 {
        self.taken.load(Ordering::Acquire)
    }

    /// Whether a sleeper that began with this must return.
    pub fn is_told(&self, begun: u32) -> bool {
        self.told.load(Ordering::Acquire) != begun
    }

    /// A sleeper returns to its process, which looks at everything. At worst another sleeps once less for it.
    pub fn take(&self) {
        let told = self.told.load(Ordering::Acquire);
        self.taken.store(told, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wakeup_before_the_sleep_begins_or_begins_anew_is_not_lost() {
        let returns = Returns::new();
        assert!(!returns.is_told(returns.begin()));
        returns.tell();
        let begun = returns.begin();
        assert!(returns.is_told(begun), "told before the sleep");
        // Interrupted: nothing is taken, and the sleep begins anew.
        assert!(returns.is_told(returns.begin()));
        returns.take();
        assert!(!returns.is_told(returns.begin()));
    }

    #[test]
    fn all_sleepers_return_with_one_wakeup_and_the_next_one_sleeps() {
        let returns = Returns::new();
        let sleepers = [returns.begin(), returns.begin()];
        returns.tell();
        for begun in sleepers {
            assert!(returns.is_told(begun));
            returns.take();
        }
        assert!(!returns.is_told(returns.begin()));
    }
}
