//! Waiting: look many times, then sleep.
//!
//! At most one thread of an endpoint sleeps at the backend. Others that wait sleep until that one, or a thread that
//! only tests, has moved something. Who sleeps does so for all endpoints of the process that no other thread looks
//! after.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;

use super::held::Held;
use super::siblings;
use super::state::EndpointState;
use crate::backend::{CallError, Slept, sleep_on_all};
use crate::clock;
use crate::error::Error;

/// Looks after it was woken for nothing that it waits for.
const LOOKS_AGAIN: u32 = 8;
/// Looks at the queues alone between two at everything else: timers, other threads, room for what waits to be sent.
const ROUND: u32 = 16;
/// Longest sleep of a thread that another one should wake: a bound for what its death would cost.
const NAP: Duration = Duration::from_millis(200);
/// When to look again at an endpoint that another thread had just then.
const MOMENT: Duration = Duration::from_millis(10);

impl Held {
    /// Makes progress until `ready` has something, or the time is over, or another thread calls for it: nothing then.
    pub fn wait_until<T>(
        &self,
        timeout: Option<Duration>,
        mut ready: impl FnMut(&mut EndpointState) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let begun = clock::now();
        let deadline = timeout.map(|timeout| begun + timeout);
        let mut state = self.enter()?;
        state.readings.note(begun);
        self.attendance.ours(begun);
        let _waits = self.attendance.wait();
        let wakeups = state.wakeups;
        let mut looks = state.spin.begin();
        let (mut looked, mut slept, mut interrupted) = (0_u32, false, false);
        loop {
            let completed = state.engine.completions();
            state = self.advance(state);
            let found = ready(&mut state);
            self.tell_of_change(&mut state, completed);
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
                if self.never_sleeps {
                    let round = look(&state, ROUND);
                    state = self.looked_in_vain(state, round);
                    continue;
                }
                let round = look(&state, ROUND.min(looks));
                looks = looks.saturating_sub(round);
                looked = looked.saturating_add(round);
                drop(state);
                siblings::look_after_others_of(self);
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

    /// Sleeps; whether a signal ended it.
    fn sleep<'a>(
        &'a self,
        mut state: MutexGuard<'a, EndpointState>,
        deadline: Option<Duration>,
    ) -> (MutexGuard<'a, EndpointState>, bool) {
        if state.sleeping || state.stopped() {
            let left = deadline.map_or(NAP, |at| NAP.min(at.saturating_sub(clock::now())));
            state.waiting += 1;
            let (mut state, _) = self
                .moved
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
            return (state, false);
        }
        if state.covered {
            // The thread that sleeps for it may leave it to this one.
            self.channel().wakeup();
        }
        if state.about_to_sleep() {
            state.woken();
            return (state, false);
        }
        if self.channel().process_arms() {
            state.port.process.arm();
            let completed = state.engine.completions();
            // Looks once more: what came before the arming would wake nobody.
            if state.progress(clock::now(), self.channel())
                || state.engine.completions() != completed
            {
                state.woken();
                return (state, false);
            }
        }
        let mut until = earliest([deadline, state.engine.deadline()]);
        let consumed = state.port.process.consumed();
        // What was posted before has been kicked for.
        let kick = std::mem::take(&mut state.port.posted) && state.port.process.kick_needed();
        let mut alone = siblings::none();
        if !alone && self.channel().signals().is_err() {
            alone = true;
            until = earliest([until, Some(clock::now() + MOMENT)]);
        }
        state.sleeping = true;
        state.alarm = Some(until.unwrap_or(Duration::MAX));
        drop(state);
        let slept = if alone {
            self.channel().sleep(consumed, until, kick)
        } else {
            if kick {
                self.channel().kick();
            }
            self.sleep_for_all(until)
        };
        let mut state = self.lock();
        state.sleeping = false;
        state.woken();
        state.alarm = None;
        let interrupted = slept.unwrap_or_else(|error| {
            state.fail(error.into());
            false
        });
        if state.waiting > 0 {
            self.moved.notify_all();
        }
        (state, interrupted)
    }

    /// Sleeps until something happens at this endpoint, which is prepared for that, or at another one that no thread looks
    /// after. Whether a signal ended it.
    fn sleep_for_all(&self, mut until: Option<Duration>) -> Result<bool, CallError> {
        let now = clock::now();
        let mut covered = Vec::new();
        let mut something_new = false;
        for other in siblings::others(self) {
            let due = match cover(&other, now) {
                Cover::Taken(due) => {
                    covered.push(other);
                    due
                }
                Cover::LeftFor(time) => Some(now + time),
                Cover::Unusable => None,
                Cover::SomethingNew => {
                    something_new = true;
                    break;
                }
            };
            until = earliest([until, due]);
        }
        let mut slept = Slept::default();
        if !something_new {
            let all = std::iter::once(self).chain(covered.iter().map(Arc::as_ref));
            // None is missing: each has been asked for before.
            let signals: Vec<_> = all
                .filter_map(|held| held.channel().signals().ok())
                .collect();
            slept = sleep_on_all(&signals, until);
        }
        for (place, other) in covered.iter().enumerate() {
            uncover(other, slept.gone.contains(&(place + 1)));
        }
        if slept.gone.contains(&0) {
            return Err(CallError(Errno::PIPE));
        }
        Ok(slept.interrupted)
    }
}

/// What became of the attempt to sleep for an endpoint, too.
enum Cover {
    /// It wakes the calling thread, which wakes by this time.
    Taken(Option<Duration>),
    /// Another thread looks after it, as can be relied on for so long.
    LeftFor(Duration),
    /// It has ended.
    Unusable,
    /// There is something to do.
    SomethingNew,
}

/// Prepares another endpoint for the calling thread's sleep.
fn cover(other: &Held, now: Duration) -> Cover {
    if let Some(time) = other.attendance.left_to_another(now) {
        return Cover::LeftFor(time);
    }
    let Some(mut state) = other.try_lock() else {
        return Cover::LeftFor(MOMENT);
    };
    if state.broken.is_some() {
        return Cover::Unusable;
    }
    if state.sleeping || state.covered || state.stopped() {
        return Cover::LeftFor(NAP);
    }
    if other.channel().signals().is_err() {
        return Cover::LeftFor(MOMENT);
    }
    let news = state.about_to_sleep();
    if other.channel().process_arms() {
        state.port.process.arm();
    }
    // Looks once more: what came before the arming would wake nobody.
    let mut state = other.look_after(state);
    if news || state.event_waits() {
        state.woken();
        return Cover::SomethingNew;
    }
    let due = state.engine.deadline();
    state.covered = true;
    state.alarm = Some(due.unwrap_or(Duration::MAX));
    Cover::Taken(due)
}

/// The calling thread has slept for another endpoint, whose backend may be gone.
fn uncover(other: &Held, gone: bool) {
    let mut state = other.lock();
    state.covered = false;
    state.woken();
    if gone {
        state.fail(CallError(Errno::PIPE).into());
        other.tell_others(&state);
    } else if state.sleeping {
        // That thread came later, and may have been meant by what woke this one.
        other.channel().wakeup();
    } else {
        state.alarm = None;
    }
}

fn earliest<const N: usize>(times: [Option<Duration>; N]) -> Option<Duration> {
    times.into_iter().flatten().min()
}

/// Looks until an event waits, so often at most; how often it did.
fn look(state: &EndpointState, most: u32) -> u32 {
    for looked in 1..=most {
        core::hint::spin_loop();
        if state.event_waits() {
            return looked;
        }
    }
    most
}
