//! The endpoints of this process look after each other.
//!
//! Nothing happens but within calls, so a program that calls for one endpoint alone would leave the others deaf: what
//! they lost would never be sent again. Therefore calls that wait, and calls that look again and again, make progress
//! everywhere. An endpoint for which another thread calls, or lately has called, is left to that thread, which would
//! otherwise be disturbed, and disturb, at each message.

use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError, TryLockError, Weak};

use arc_swap::ArcSwapOption;

use super::attendance::OPEN_ENDPOINTS;
use super::held::Held;
use super::state::EndpointState;
use crate::clock;

/// The open endpoints. It has no lock: a child may be forked, or a handler called, at any time.
static OPEN: ArcSwapOption<Vec<Weak<Held>>> = ArcSwapOption::const_empty();

thread_local! {
    /// Whether this thread is within the application's handler of unexpected messages.
    static HANDLING: Cell<bool> = const { Cell::new(false) };
}

/// Runs the application's handler: calls from within it make no progress for other endpoints, whose handlers would be
/// called within this one.
pub fn handling<T>(handler: impl FnOnce() -> T) -> T {
    let outer = HANDLING.replace(true);
    let result = handler();
    HANDLING.set(outer);
    result
}

/// An endpoint was opened: those who sleep look after it, too.
pub fn add(held: &Arc<Held>) {
    change(|open| open.push(Arc::downgrade(held)));
    for other in others(held) {
        if other.lock().sleeping {
            other.channel().wakeup();
        }
    }
}

/// An endpoint is being closed.
pub fn remove(held: &Arc<Held>) {
    change(|open| open.retain(|other| other.as_ptr() != Arc::as_ptr(held)));
}

fn change(change: impl Fn(&mut Vec<Weak<Held>>)) {
    OPEN.rcu(|open| {
        let mut open = open.as_deref().cloned().unwrap_or_default();
        // Those of a parent are none of this process's.
        open.retain(|held| {
            held.upgrade()
                .is_some_and(|held| !held.fork_guard.is_inherited())
        });
        change(&mut open);
        OPEN_ENDPOINTS.store(open.len(), Ordering::Relaxed);
        // Nothing is left at the end of a program that has closed all of its endpoints.
        (!open.is_empty()).then(|| Arc::new(open))
    });
}

/// Whether there is no other endpoint to look after.
pub fn none() -> bool {
    OPEN_ENDPOINTS.load(Ordering::Relaxed) < 2 || HANDLING.get()
}

/// The other endpoints of this process. Each is held for its own turn alone, so that it can be closed meanwhile.
pub fn others(of: &Held) -> impl Iterator<Item = Arc<Held>> {
    let open = OPEN.load_full().filter(|_| !none());
    let places = open.as_ref().map_or(0, |open| open.len());
    (0..places).filter_map(move |at| {
        let other = open.as_ref()?.get(at)?.upgrade()?;
        (!std::ptr::eq(&*other, of) && !other.fork_guard.is_inherited()).then_some(other)
    })
}

/// Makes progress for the other endpoints of the process that no other thread looks after.
pub fn look_after_others_of(held: &Held) {
    if none() {
        return;
    }
    let now = clock::now();
    for other in others(held) {
        if other.attendance.left_to_another(now).is_none()
            && let Some(state) = other.try_lock()
        {
            drop(other.look_after(state));
        }
    }
}

impl Held {
    /// The state, unless another thread has it: that one does what is to be done.
    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, EndpointState>> {
        match self.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(state)) => Some(PoisonError::into_inner(state)),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Makes progress for whoever waits or will call.
    pub(super) fn look_after<'a>(
        &'a self,
        state: MutexGuard<'a, EndpointState>,
    ) -> MutexGuard<'a, EndpointState> {
        let completed = state.engine.completions();
        let mut state = self.advance(state);
        self.tell_of_change(&mut state, completed);
        state
    }
}
