//! A queue that holds frames and does not move.

use core::time::Duration;

/// Watches how far a queue is.
pub(crate) struct Watch {
    timeout: Duration,
    /// How far it was, and since when.
    seen: Option<(u64, Duration)>,
}

impl Watch {
    /// A queue may stand still for less than `timeout` while it has something to do.
    pub(crate) const fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            seen: None,
        }
    }

    /// Whether the queue has stood still for too long. `at` is how far it is by now; none while it has nothing to do,
    /// or may not do it.
    pub(crate) fn is_stuck(&mut self, now: Duration, at: Option<u64>) -> bool {
        match (self.seen, at) {
            (Some((before, since)), Some(at)) if before == at => {
                now.saturating_sub(since) >= self.timeout
            }
            _ => {
                self.seen = at.map(|at| (at, now));
                false
            }
        }
    }

    /// The queue begins anew.
    pub(crate) const fn forget(&mut self) {
        self.seen = None;
    }
}
