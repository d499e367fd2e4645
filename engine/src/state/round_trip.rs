//! How long a partner takes to acknowledge, and so how long to wait before a message is sent again.
//!
//! The estimate is RFC 6298's. What the partner itself may hold an acknowledgement back is added as in RFC 9002: a
//! message that is alone waits for it, four at once do not, so that measured times say nothing about the next one.

use core::time::Duration;

use crate::config::Config;

/// A partner's answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundTrip {
    /// Smoothed time and its variation in nanoseconds, once one was measured: every message is, and whole numbers take a
    /// tenth of the instructions that durations do.
    estimate: Option<(u64, u64)>,
    /// How often the wait is doubled.
    doublings: u32,
}

/// More would change nothing: the wait has a limit.
const DOUBLINGS_MAX: u32 = 8;

impl RoundTrip {
    /// An acknowledgement came this long after its message, which was sent once. (Of one that was sent more often nobody
    /// knows which copy was answered.)
    #[inline]
    pub fn measured(&mut self, time: Duration, config: &Config) {
        // Longer than this, and the application was away, not the partner.
        let time = nanoseconds(time.min(config.resend_delay));
        self.estimate = Some(match self.estimate {
            None => (time, time / 2),
            Some((smoothed, variation)) => (
                (smoothed * 7 + time) / 8,
                (variation * 3 + smoothed.abs_diff(time)) / 4,
            ),
        });
        self.doublings = 0;
    }

    /// An acknowledgement came this long after a message was sent again. If that is as usual, the first copy was lost; if
    /// not, it answers the first copy, and the partner is slower than was thought. It is better than no estimate.
    pub fn answered_again(&mut self, time: Duration, config: &Config) {
        if self.estimate.is_none() {
            self.measured(time, config);
        } else if time <= self.usual(config) {
            self.doublings = 0;
        } else {
            self.unanswered();
        }
    }

    /// Nothing was acknowledged for as long as [`Self::wait`] said.
    pub fn unanswered(&mut self) {
        self.doublings = (self.doublings + 1).min(DOUBLINGS_MAX);
    }

    /// What was not answered says nothing about the partner.
    pub fn begin_anew(&mut self) {
        self.doublings = 0;
    }

    /// How often the wait was doubled.
    pub fn doublings(&self) -> u32 {
        self.doublings
    }

    /// How long a message waits for its acknowledgement if the partner answers as it used to. Never longer than the
    /// original waits.
    #[inline]
    pub fn usual(&self, config: &Config) -> Duration {
        Duration::from_nanos(self.usual_nanoseconds(config))
    }

    #[inline]
    fn usual_nanoseconds(&self, config: &Config) -> u64 {
        let most = nanoseconds(config.resend_delay);
        match self.estimate {
            Some((smoothed, variation)) => {
                most.min(smoothed + variation * 4 + nanoseconds(config.resend_delay_min))
            }
            None => most,
        }
    }

    /// How long a connect waits for its answer before it is repeated for the first time.
    pub fn first_wait(&self, config: &Config) -> Duration {
        match self.estimate {
            Some(_) => self.usual(config),
            None => config.connect_wait,
        }
    }

    /// How long to wait now: longer each time that nothing came.
    #[inline]
    pub fn wait(&self, config: &Config) -> Duration {
        let wait = self.usual_nanoseconds(config) << self.doublings;
        Duration::from_nanos(wait.min(nanoseconds(config.resend_delay)))
    }
}

/// Of a time that [`Config::resend_delay`] bounds, so that sums and doublings of it stay far below 64 bits.
#[inline]
fn nanoseconds(time: Duration) -> u64 {
    time.as_secs() * 1_000_000_000 + u64::from(time.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn config() -> Config {
        Config::new(1, 1, 8192, false)
    }

    #[test]
    fn before_anything_is_measured_the_wait_is_the_protocols_half_second() {
        assert_eq!(RoundTrip::default().wait(&config()), 500 * MS);
    }

    #[test]
    fn the_wait_follows_what_is_measured_and_leaves_room_for_delayed_acknowledgements() {
        let mut times = RoundTrip::default();
        for _ in 0..100 {
            times.measured(Duration::from_micros(50), &config());
        }
        assert!(times.wait(&config()) >= 2 * config().ack_delay);
        assert!(times.wait(&config()) < 50 * MS);
        for _ in 0..100 {
            times.measured(200 * MS, &config());
        }
        assert!(times.wait(&config()) >= 200 * MS + 2 * config().ack_delay);
    }

    #[test]
    fn without_an_estimate_the_answer_to_a_repeated_message_is_one() {
        let mut times = RoundTrip::default();
        times.answered_again(MS, &config());
        assert!(times.wait(&config()) < 50 * MS);
    }

    #[test]
    fn an_answer_soon_after_the_last_copy_means_loss_and_a_late_one_a_slow_partner() {
        let mut times = RoundTrip::default();
        times.measured(Duration::ZERO, &config());
        times.unanswered();
        times.unanswered();
        times.answered_again(MS, &config());
        assert_eq!(times.wait(&config()), times.usual(&config()));
        times.answered_again(100 * MS, &config());
        assert_eq!(times.wait(&config()), 2 * times.usual(&config()));
    }

    #[test]
    fn each_silence_doubles_the_wait_up_to_half_a_second_and_an_answer_ends_that() {
        let mut times = RoundTrip::default();
        times.measured(Duration::ZERO, &config());
        let usual = times.wait(&config());
        for doublings in 1..20 {
            times.unanswered();
            let wait = (usual * 2u32.pow(doublings)).min(500 * MS);
            assert_eq!(times.wait(&config()), wait);
        }
        times.measured(Duration::ZERO, &config());
        assert_eq!(times.wait(&config()), usual);
    }
}
