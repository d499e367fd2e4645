//! The node's time.

use std::time::Instant as Moment;

use mx_board::Instant;

/// Counts from its own start, never backwards.
pub struct Clock {
    start: Moment,
}

impl Clock {
    /// Starts at zero.
    pub fn start() -> Self {
        Self {
            start: Moment::now(),
        }
    }

    /// The time since the start.
    pub fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}
