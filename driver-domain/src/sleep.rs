//! Going to sleep so that nothing is missed.
//!
//! Who brings work leaves it in memory first and then looks whether somebody wants to be told: the card at its armed
//! interrupt, a process at its endpoint's kick flag. Whoever sleeps asks to be told first and then looks once more. An
//! event that came in between stays pending, and ends the wait at once. Endpoints have asked, and were looked at again,
//! before [`mx_backend::Activity::busy`] became false.
//!
//! Sleeping is `SCHEDOP_poll` on all ports. `SCHEDOP_block` would need upcalls unmasked, thus asynchronous frames and a
//! way back from them, to save about 10 ticks for each port; at a few ports for some guests that is not what a wake-up
//! costs (13 860 ticks round trip, measured).

use core::time::Duration;

/// What can bring work, and how to wait for it.
pub trait Senses {
    /// Requests or replies of xenstore that could move at once.
    fn xenstore_is_due(&self) -> bool;
    /// Asks the card for an interrupt and looks once more; false when something has come.
    fn arm_nic(&mut self) -> bool;
    /// No interrupts any more.
    fn disarm_nic(&mut self);
    /// Sleeps until an event is pending, or until that time.
    fn wait(&mut self, until: Option<Duration>);
}

/// Sleeps until there may be work, at most until `until`; false when there was some already.
pub fn sleep(senses: &mut impl Senses, until: Option<Duration>) -> bool {
    if senses.xenstore_is_due() {
        return false;
    }
    let quiet = senses.arm_nic();
    if quiet {
        senses.wait(until);
    }
    senses.disarm_nic();
    quiet
}
