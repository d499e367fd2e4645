//! Xen's watchdog: it shuts the domain down when that has not said in time that it goes on, whatever it hangs in.
//!
//! The tools act as `on_watchdog` of the domain's configuration says. Xen's clock goes on while the domain is paused.

use crate::hypercall;
use crate::types::Errno;

/// A timer of Xen's that runs.
pub struct Watchdog {
    id: u32,
    seconds: u32,
}

impl Watchdog {
    /// From now on the domain has to say within so many seconds that it goes on.
    pub fn start(seconds: u32) -> Result<Self, Errno> {
        let id = hypercall::sched_watchdog(0, seconds)?;
        Ok(Self { id, seconds })
    }

    /// The domain goes on: its time begins anew.
    pub fn renew(&self) -> Result<(), Errno> {
        hypercall::sched_watchdog(self.id, self.seconds).map(drop)
    }
}
