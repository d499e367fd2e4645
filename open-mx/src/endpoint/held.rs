//! What an open endpoint holds, and how the calls of its threads enter it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mx_ring::fork_guard::ForkGuard;
use mx_ring::mapping::Mapping;

use super::attendance::Attendance;
use super::polling::Polling;
use super::state::EndpointState;
use crate::backend::Channel;
use crate::clock;
use crate::error::Error;

/// Why an endpoint is of no use any more.
#[cold]
fn reason(error: &Error) -> Error {
    error.clone()
}

/// What a child of the process that opened the endpoint must neither use nor give back.
pub struct Held {
    pub(super) state: Mutex<EndpointState>,
    pub(super) moved: Condvar,
    pub(super) channel: std::sync::Arc<dyn Channel>,
    pub(super) fork_guard: ForkGuard,
    /// Who looks after it.
    pub(super) attendance: Attendance,
    /// Looks that do not wait.
    pub(super) polling: Polling,
    pub(super) never_sleeps: bool,
    pub(super) interruptible: bool,
    pub(super) board: u32,
    // The state's areas point into them.
    pub(super) _w: Mapping,
    pub(super) _r: Mapping,
}

impl Held {
    /// The state, at the begin of a call: in a child the lock itself may be held by a thread that is not there.
    #[inline(always)]
    pub fn enter(&self) -> Result<MutexGuard<'_, EndpointState>, Error> {
        if self.fork_guard.is_inherited() {
            return Err(Error::NotOpen);
        }
        Ok(self.lock())
    }

    #[inline(always)]
    pub(super) fn lock(&self) -> MutexGuard<'_, EndpointState> {
        let state = self.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn channel(&self) -> &dyn Channel {
        &*self.channel
    }

    /// Runs a call that may post something or complete requests, at the present time.
    #[inline(always)]
    pub fn with<T>(
        &self,
        call: impl FnOnce(&mut EndpointState) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut state = self.enter_open()?;
        let begun = self.begin(&mut state);
        let result = call(&mut state);
        self.end(state, begun);
        result
    }

    /// The state of an endpoint that is of use, at the begin of a call.
    #[inline(always)]
    pub fn enter_open(&self) -> Result<MutexGuard<'_, EndpointState>, Error> {
        let state = self.enter()?;
        match &state.broken {
            None => Ok(state),
            Some(error) => Err(reason(error)),
        }
    }

    /// Before something is posted or completed: tells the present time. How many requests are complete.
    #[inline(always)]
    pub fn begin(&self, state: &mut EndpointState) -> u64 {
        let now = state.readings.read();
        self.attendance.ours(now);
        state.engine.set_now(now);
        state.engine.completions()
    }

    /// Afterwards.
    #[inline(always)]
    pub fn end(&self, mut state: MutexGuard<'_, EndpointState>, completed: u64) {
        state.idle = false;
        state.flush(self.channel());
        self.tell_of_change(&mut state, completed);
        if state.engine.has_offers() {
            // A message to the own endpoint.
            drop(self.offer(state));
        }
    }

    /// Makes progress, with all that the handler of unexpected messages has to say to it.
    pub fn advance<'a>(
        &'a self,
        mut state: MutexGuard<'a, EndpointState>,
    ) -> MutexGuard<'a, EndpointState> {
        let now = clock::now();
        if state.rests(now) {
            return state;
        }
        self.advance_to(now, state)
    }

    /// The same, at this time, where there may be something to do.
    #[inline(always)]
    pub(super) fn advance_to<'a>(
        &'a self,
        now: Duration,
        mut state: MutexGuard<'a, EndpointState>,
    ) -> MutexGuard<'a, EndpointState> {
        state.progress(now, self.channel());
        while state.engine.has_offers() {
            let (offered, some) = self.offer(state);
            state = offered;
            if !some {
                break;
            }
            state.progress(clock::now(), self.channel());
        }
        state
    }

    /// What a call has changed concerns other threads: those that wait for completions, of which there were `completed`
    /// before, and the one that sleeps until something is due.
    #[inline(always)]
    pub fn tell_of_change(&self, state: &mut EndpointState, completed: u64) {
        if state.engine.completions() != completed {
            self.tell_others(state);
        }
        if let Some(alarm) = state.alarm
            && let Some(due) = state.engine.deadline().filter(|due| *due < alarm)
        {
            state.alarm = Some(due);
            self.channel().wakeup();
        }
    }

    /// Other threads may find what they wait for: wakes them.
    #[inline(always)]
    pub fn tell_others(&self, state: &EndpointState) {
        if state.waiting > 0 {
            self.moved.notify_all();
        }
        if state.sleeping {
            self.channel().wakeup();
        }
    }
}
