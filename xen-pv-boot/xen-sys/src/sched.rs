//! `sched.h`: giving up the processor, ending the domain.

use core::mem::{offset_of, size_of};

/// Let others run.
pub const SCHEDOP_YIELD: u32 = 0;
/// End the domain.
pub const SCHEDOP_SHUTDOWN: u32 = 2;
/// Wait for any of some ports, or a time.
pub const SCHEDOP_POLL: u32 = 3;
/// Start or renew a timer that ends the domain.
pub const SCHEDOP_WATCHDOG: u32 = 6;

/// The domain ended in order.
pub const SHUTDOWN_POWEROFF: u32 = 0;
/// The domain wants to be started again.
pub const SHUTDOWN_REBOOT: u32 = 1;
/// The domain crashed.
pub const SHUTDOWN_CRASH: u32 = 3;

/// Ports that one `SCHEDOP_POLL` may name.
pub const POLL_PORTS_MAX: usize = 128;

/// `struct sched_shutdown`.
#[repr(C)]
#[derive(Debug)]
pub struct SchedShutdown {
    /// `SHUTDOWN_*`.
    pub reason: u32,
}

/// `struct sched_poll`.
#[repr(C)]
#[derive(Debug)]
pub struct SchedPoll {
    /// The ports.
    pub ports: *const u32,
    /// How many.
    pub nr_ports: u32,
    /// System time in nanoseconds to wait until, 0 for ever.
    pub timeout: u64,
}

/// `struct sched_watchdog`.
#[repr(C)]
#[derive(Debug)]
pub struct SchedWatchdog {
    /// Which timer; 0 takes a new one.
    pub id: u32,
    /// Seconds until it ends the domain; 0 stops it.
    pub timeout: u32,
}

const _: () = {
    assert!(size_of::<SchedWatchdog>() == 8);
    assert!(size_of::<SchedShutdown>() == 4);
    assert!(size_of::<SchedPoll>() == 24);
    assert!(offset_of!(SchedPoll, timeout) == 16);
};
