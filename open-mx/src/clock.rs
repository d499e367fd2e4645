//! The time for protocol timers.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time since some fixed moment, in steps of a few milliseconds. The coarse clock is read through the vDSO everywhere,
/// without a system call; the fine one is not in every Xen guest.
#[inline]
pub fn now() -> Duration {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}
