//! How long a peer takes to answer a PULL, as far as it was measured, and how long to wait for it before asking again.

use core::time::Duration;

/// The least: a timer must not expire because a peer was scheduled late.
const WAIT_MIN: Duration = Duration::from_millis(20);
/// The most, which is what Open-MX always waits (protocol.md §13).
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(1);
/// While nothing was measured.
const WAIT_FIRST: Duration = Duration::from_millis(250);

/// The smoothed time and its deviation, as TCP estimates them (RFC 6298).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RoundTrip {
    measured: Option<(Duration, Duration)>,
}

impl RoundTrip {
    /// An answer took this long. Answers to what was asked for twice tell nothing and are not given.
    pub fn took(&mut self, time: Duration) {
        let time = time.min(WAIT_MAX);
        self.measured = Some(match self.measured {
            None => (time, time / 2),
            Some((smoothed, deviation)) => (
                (smoothed * 7 + time) / 8,
                (deviation * 3 + smoothed.abs_diff(time)) / 4,
            ),
        });
    }

    /// How long to wait for the first answer.
    pub fn wait(&self) -> Duration {
        self.measured.map_or(WAIT_FIRST, |(smoothed, deviation)| {
            (smoothed + deviation * 4).clamp(WAIT_MIN, WAIT_MAX)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_follows_what_was_measured_within_its_bounds() {
        let mut fast = RoundTrip::default();
        assert_eq!(fast.wait(), WAIT_FIRST);
        for _ in 0..50 {
            fast.took(Duration::from_micros(300));
        }
        assert_eq!(fast.wait(), WAIT_MIN);
        let mut slow = RoundTrip::default();
        for _ in 0..50 {
            slow.took(Duration::from_millis(90));
        }
        let wait = slow.wait().as_millis();
        assert!((90..130).contains(&wait), "{wait} ms");
        for _ in 0..50 {
            slow.took(Duration::from_secs(40));
        }
        assert_eq!(slow.wait(), WAIT_MAX);
    }
}
