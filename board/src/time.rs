//! The time as the switch is told it.

use core::ops::{Add, Sub};
use core::time::Duration;

/// A moment of whoever drives the switch, in nanoseconds since a start of his choice. It never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Instant(u64);

impl Instant {
    /// The moment `nanos` nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whether `nanos` nanoseconds have passed since `earlier`. Cheaper than a difference, where it is asked every turn.
    #[inline]
    pub const fn is_past(self, earlier: Self, nanos: u64) -> bool {
        self.0.saturating_sub(earlier.0) >= nanos
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_nanos() as u64))
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// Zero when `earlier` is later.
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}
