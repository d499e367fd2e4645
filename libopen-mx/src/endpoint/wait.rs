//! Waiting: look many times, then sleep.
//!
//! At most one thread of an endpoint sleeps at the home. Others that wait sleep until that one, or a thread that only
//! tests, has moved something.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use mx_ring::ProcessSide;

use super::Endpoint;
use super::state::State;
use crate::clock;
use crate::error::Error;

/// Looks after it was woken for nothing that it waits for.
const LOOKS_AGAIN: u32 = 8;
/// Looks at the queues alone between two at everything else: timers, other threads, room for what waits to be sent.
const ROUND: u32 = 16;
/// Longest sleep of a thread that another one should wake: a bound for what its death would cost.
const NAP: Duration = Duration::from_millis(200);

impl Endpoint {
    /// Makes progress until `ready` has something, or the time is over, or another thread calls for it: nothing then.
    pub(super) fn wait_until<T>(
        &self,
        timeout: Option<Duration>,
        mut ready: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let begun = clock::now();
        let deadline = timeout.map(|timeout| begun + timeout);
        let mut state = self.enter()?;
        let wakeups = state.wakeups;
        let mut looks = state.spin.begin();
        let (mut looked, mut slept, mut interrupted) = (0_u32, false, false);
        loop {
            let completed = state.engine.completions();
            state = self.advance(state);
            let found = ready(&mut state);
            if state.engine.completions() != completed {
                self.tell_others(&state);
            }
            if found.is_some() {
                // What is there at once says nothing about spinning.
                if looked > 0 {
                    if !slept {
                        state.spin.paid(looked);
                    }
                    state.spin.took(clock::now().saturating_sub(begun));
                }
                return Ok(found);
            }
            if let Some(error) = &state.broken {
                return Err(error.clone());
            }
            if state.handling.within() {
                return Err(Error::InHandler);
            }
            if interrupted
                || state.wakeups != wakeups
                || deadline.is_some_and(|at| clock::now() >= at)
            {
                return Ok(None);
            }
            if looks > 0 || self.never_sleeps {
                let most = if self.never_sleeps {
                    ROUND
                } else {
                    ROUND.min(looks)
                };
                let round = look(&state.port.process, most);
                looks = looks.saturating_sub(round);
                looked = looked.saturating_add(round);
                drop(state);
                state = self.lock();
            } else {
                if !slept {
                    state.spin.in_vain();
                    slept = true;
                }
                (state, interrupted) = self.sleep(state, deadline);
                interrupted &= self.interruptible;
                looks = LOOKS_AGAIN;
            }
        }
    }

    /// Other threads may find what they wait for: wakes them.
    pub(super) fn tell_others(&self, state: &State) {
        if state.waiting > 0 {
            self.held.moved.notify_all();
        }
        if state.sleeping {
            self.channel().wakeup();
        }
    }

    /// Sleeps; whether a signal ended it.
    fn sleep<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        deadline: Option<Duration>,
    ) -> (MutexGuard<'a, State>, bool) {
        if state.sleeping || state.stopped() {
            let left = deadline.map_or(NAP, |at| NAP.min(at.saturating_sub(clock::now())));
            state.waiting += 1;
            let (mut state, _) = self
                .held
                .moved
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
            return (state, false);
        }
        if self.channel().process_arms() {
            state.port.process.arm();
            let completed = state.engine.completions();
            // Looks once more: what came before the arming would wake nobody.
            if state.progress(clock::now(), self.channel())
                || state.engine.completions() != completed
            {
                return (state, false);
            }
        }
        let until = [deadline, state.engine.deadline()]
            .into_iter()
            .flatten()
            .min();
        let consumed = state.port.process.consumed();
        let kick = state.port.process.kick_needed();
        state.sleeping = true;
        drop(state);
        let slept = self.channel().sleep(consumed, until, kick);
        let mut state = self.lock();
        state.sleeping = false;
        let interrupted = slept.unwrap_or_else(|error| {
            state.fail(error.into());
            false
        });
        if state.waiting > 0 {
            self.held.moved.notify_all();
        }
        (state, interrupted)
    }
}

/// Looks at the queues until an event waits, so often at most; how often it did.
fn look(process: &ProcessSide, most: u32) -> u32 {
    for looked in 1..=most {
        core::hint::spin_loop();
        if process.event_waits() {
            return looked;
        }
    }
    most
}
