//! What is asked of a partner that has acknowledged everything, but has not fetched a large message yet.

use core::time::Duration;

/// The first pause, doubled for each probe that was answered.
pub const PAUSE: Duration = Duration::from_secs(2);
/// The longest pause, reached after four answers.
pub const PAUSE_MAX: Duration = Duration::from_secs(32);
/// More doublings would change nothing.
pub const DOUBLINGS_MAX: u32 = 6;

/// What is asked of a partner while large messages wait for it.
#[derive(Debug, Default)]
pub struct Liveness {
    /// When the next one is due, if there is anything to ask.
    pub at: Option<Duration>,
    /// Probes since the partner was last heard.
    pub unanswered: u32,
    /// Probes that were answered.
    answered: u32,
    /// When the partner was last heard.
    pub heard: Duration,
}

impl Liveness {
    /// There is something to ask, for the first time at `at`.
    pub fn begun(now: Duration, at: Duration) -> Self {
        Self {
            at: Some(at),
            heard: now,
            ..Self::default()
        }
    }

    /// The partner has said something.
    #[inline]
    pub fn heard(&mut self, now: Duration) {
        self.heard = now;
        if self.unanswered > 0 {
            self.unanswered = 0;
            self.answered = (self.answered + 1).min(DOUBLINGS_MAX);
        }
    }

    /// Whether an answer is awaited.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.unanswered > 0
    }

    /// How long to wait after a sign of life.
    pub fn pause(&self) -> Duration {
        (PAUSE * (1 << self.answered)).min(PAUSE_MAX)
    }
}
