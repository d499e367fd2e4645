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
    #[inline]
    pub fn enter(&self) -> Result<MutexGuard<'_, EndpointState>, Error> {
        if self.fork_guard.is_inherited() {
            return Err(Error::NotOpen);
        }
        Ok(self.lock())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, EndpointState> {
        let state = self.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn channel(&self) -> &dyn Channel {
        &*self.channel
    }

    /// Runs a call that may post something or complete requests, at the present time.
    pub fn with<T>(
        &self,
        call: impl FnOnce(&mut EndpointState) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut state = self.enter()?;
        if let Some(error) = &state.broken {
            return Err(error.clone());
        }
        let now = clock::now();
        self.attendance.ours(now);
        state.engine.set_now(now);
        let completed = state.engine.completions();
        let result = call(&mut state);
        if state.engine.has_work(now) {
            state.rested = None;
        }
        state.flush(self.channel());
        self.tell_of_change(&mut state, completed);
        if state.engine.has_offers() {
            // A message to the own endpoint.
            drop(self.offer(state));
        }
        result
    }

    /// Makes progress, with all that the handler of unexpected messages has to say to it.
    pub fn advance<'a>(
        &'a self,
        state: MutexGuard<'a, EndpointState>,
    ) -> MutexGuard<'a, EndpointState> {
        let now = clock::now();
        if state.rests(now) {
            return state;
        }
        self.advance_to(now, state)
    }

    /// The same, at this time, where there may be something to do.
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
    pub fn tell_others(&self, state: &EndpointState) {
        if state.waiting > 0 {
            self.moved.notify_all();
        }
        if state.sleeping {
            self.channel().wakeup();
        }
    }
}
