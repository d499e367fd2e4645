//! Sleep and wake: the whole protocol in one place.
//!
//! While both sides are awake, nobody tells anybody anything: each polls the lap word of its next descriptor. Three parties
//! may sleep or be asked to wake: the *backend* (driver domain, or `omxd`), the *kernel* of the guest (or none, with
//! `omxd`), the *process*. Each direction is the same handshake: whoever wants to sleep says so, fences, looks once
//! more; whoever publishes fences, then looks whether somebody sleeps. Of two parties that do this at the same time, at
//! least one sees the other, because both fences are sequentially consistent.
//!
//! **The backend stops polling an endpoint** (demotion after an idle spell, so that 256 idle queues cost nothing):
//!
//! ```text
//!  backend                                     process
//!  ask_for_kick:  kick = 1                     post:         descriptor, then its lap (release)
//!                 fence(SeqCst)                kick_needed:  fence(SeqCst), once for a batch
//!  command_waits: lap of the next command                    kick?
//!    yes: polled_again, serve                    yes: the module sets the doorbell bit (D3) and sends an event,
//!    no:  sleep until doorbell or bell                 or the process sends a byte (its bell)
//!  served: polled_again: kick = 0                no:  nothing to do
//! ```
//!
//! **A process waits.** Only the kernel arms (D2), so that a process cannot make interrupt storms; `omxd` has no kernel
//! in between, there the process arms in its own page (W0), and a storm costs what its own bell costs.
//!
//! ```text
//!  kernel (or process, under omxd)             backend
//!  arm:  armed += 1                            deliver:       payload, descriptor, its lap, producer index (release)
//!        fence(SeqCst)                         sleeper_armed: fence(SeqCst), once for a batch
//!  look: has_events? wakeup?                                  armed moved since the last wake?
//!    yes: return                                 yes: wake bit (D3), one event for the guest; or a byte
//!    no:  sleep until woken                      no:  nothing to do
//! ```
//!
//! `armed` counts, so that the backend needs no word to clear: one wake answers every arm before it. A wake that comes
//! for an arm whose owner did not sleep after all makes a later sleep return early, once. Events for a sleeper stay:
//! bits and bells remember, so a wake between the look and the sleep is not lost either.
//!
//! **The backend goes**: the kernel writes so into each endpoint's page (R0), which a look finds as it finds events,
//! and wakes all sleepers. Under `omxd` the closed connection ends a process's sleep.

use crate::backend::BackendSide;
use crate::control::ArmedCounters;
use crate::layout::PAGE_SIZE;
use crate::memory::{VolatileSlice, VolatileSliceError};
use crate::process::{ProcessSide, r0, w0};
use crate::sync::{Ordering, fence};

impl ProcessSide {
    /// Whether the backend has gone to sleep and must be kicked, asked once after a batch of posts.
    #[inline]
    pub fn kick_needed(&self) -> bool {
        fence(Ordering::SeqCst);
        self.r.word(r0::KICK).load(Ordering::Relaxed) != 0
    }

    /// Announces sleep where no kernel does it (a process of `omxd`). The order is: arm, look for events once more
    /// (none), sleep.
    pub fn arm(&self) {
        let armed = self.w.word(w0::ARMED);
        armed.store(
            armed.load(Ordering::Relaxed).wrapping_add(1),
            Ordering::Relaxed,
        );
        fence(Ordering::SeqCst);
    }
}

impl BackendSide {
    /// Demotion: asks the process to kick. The caller then looks at [`Self::command_waits`] once more.
    pub fn ask_for_kick(&self) {
        self.r.word(r0::KICK).store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Promotion: commands are polled again, no kick is needed.
    pub fn polled_again(&self) {
        self.r.word(r0::KICK).store(0, Ordering::Relaxed);
    }

    /// Whether a sleeper armed itself since it was last woken, by the process's own word (where no kernel arms). The
    /// caller has delivered its batch; this fences.
    pub fn wake_needed(&mut self) -> bool {
        fence(Ordering::SeqCst);
        let armed = self.w.word(w0::ARMED).load(Ordering::Relaxed);
        self.armed_moved(armed)
    }

    /// The same by the kernel's counter of this endpoint, where a kernel arms.
    pub fn sleeper_armed(&mut self, counters: &ArmedCounters, endpoint: u8) -> bool {
        fence(Ordering::SeqCst);
        self.armed_moved(counters.get(endpoint))
    }

    fn armed_moved(&mut self, armed: u32) -> bool {
        let moved = armed != self.armed_seen;
        self.armed_seen = armed;
        moved
    }
}

/// What a kernel looks at on behalf of a waiting process: the producer indices in the endpoint's R area.
#[derive(Clone, Copy, Debug)]
pub struct EndpointWatch {
    r0: VolatileSlice,
}

impl EndpointWatch {
    /// Takes the first page of the R area.
    pub fn new(r: VolatileSlice) -> Result<Self, VolatileSliceError> {
        Ok(Self {
            r0: r.line_part(0, PAGE_SIZE)?,
        })
    }

    /// Whether there are events beyond the consumer positions that the process named, or its endpoint was closed. A
    /// process that lies here deceives itself alone.
    pub fn has_events(&self, unexpected: u32, expected: u32) -> bool {
        let word = |at| self.r0.word(at).load(Ordering::Acquire);
        word(r0::UNEXPECTED_PROD) != unexpected
            || word(r0::EXPECTED_PROD) != expected
            || word(r0::STATUS) != 0
    }

    /// The same beyond the positions that the process has published in the first page of its W area, for a sleep on
    /// several endpoints.
    pub fn has_unconsumed(&self, w: &VolatileSlice) -> Result<bool, VolatileSliceError> {
        let w0 = w.line_part(0, PAGE_SIZE)?;
        let word = |at| w0.word(at).load(Ordering::Acquire);
        Ok(self.has_events(word(w0::UNEXPECTED_CONS), word(w0::EXPECTED_CONS)))
    }

    /// Whether the endpoint was closed, by its backend or in its stead.
    pub fn is_closed(&self) -> bool {
        self.r0.word(r0::STATUS).load(Ordering::Acquire) != 0
    }

    /// Takes back what a backend that is gone has asked for: nobody is to be kicked until there is another one, which polls
    /// each endpoint at first. A process that polls meanwhile makes no calls in vain.
    pub fn spare_kicks(&self) {
        self.r0.word(r0::KICK).store(0, Ordering::Release);
    }

    /// Closes the endpoint in the backend's stead, which is gone: its process, if it polls, finds
    /// [`BackendGone`](crate::control::Status::BackendGone) as status.
    pub fn backend_gone(&self) {
        let gone = crate::control::Status::BackendGone as u32;
        self.r0.word(r0::STATUS).store(gone, Ordering::Release);
    }
}
