//! A driver domain that hangs is ended by Xen, and `xl-omx watch` creates it again.
//!
//! Xen's timer notices a loop that does not end as well as a processor that never comes back, and it needs nobody in dom0.
//! The loop renews it, awake and asleep.

use core::time::Duration;

use xen_pv_boot::watchdog;

/// Xen's timer, if there is one, and when it is renewed next.
pub struct Watchdog {
    timer: Option<watchdog::Watchdog>,
    pause: Duration,
    due: Duration,
}

impl Watchdog {
    /// Starts it for a domain that may hang for so many seconds; 0 starts none.
    pub fn start(seconds: u32, now: Duration) -> Self {
        let timer = match seconds {
            0 => None,
            seconds => watchdog::Watchdog::start(seconds)
                .inspect_err(|error| log::warn!("option watchdog: Xen gives no timer: {error}"))
                .ok(),
        };
        let pause = pause(seconds);
        let due = now + pause;
        Self { timer, pause, due }
    }

    /// When the domain must be awake for it.
    pub fn due(&self) -> Option<Duration> {
        self.timer.is_some().then_some(self.due)
    }

    /// The loop goes on.
    pub fn turn(&mut self, now: Duration) {
        let Some(timer) = self.timer.as_ref().filter(|_| now >= self.due) else {
            return;
        };
        if let Err(error) = timer.renew() {
            log::warn!("Xen's watchdog cannot be renewed: {error}");
        }
        self.due = now + self.pause;
    }
}

/// The time between two renewals.
fn pause(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into()) / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_comes_twice_too_late_still_renews_it_in_time() {
        for seconds in [1, 2, 60, 3600] {
            assert!(pause(seconds) * 3 < Duration::from_secs(seconds.into()));
        }
    }

    #[test]
    fn a_domain_without_one_is_not_woken_for_it() {
        let mut none = Watchdog::start(0, Duration::ZERO);
        none.turn(Duration::from_secs(1_000_000));
        assert_eq!(none.due(), None);
    }
}
