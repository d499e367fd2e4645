//! The application's handler of unexpected messages, and its switch of progress (protocol.md §10).
//!
//! The handler runs without the endpoint's lock, in the thread whose call made progress, and meanwhile nothing
//! progresses: it may post, test and forget, but what would wait for progress, or for the handler itself, is refused.

use std::sync::{MutexGuard, PoisonError};

use mx_engine::Action;

use super::Endpoint;
use super::handling::{UnexpectedHandler, UnexpectedMessage};
use super::held::Held;
use super::siblings;
use super::state::EndpointState;
use super::thread::this_thread;
use crate::error::Error;

impl Endpoint {
    /// Sets the handler of unexpected messages, or none. Those that are waiting already are not shown to it. When this
    /// returns the handler before does not run any more, unless it is itself the caller.
    pub fn set_unexpected_handler(&self, handler: Option<UnexpectedHandler>) {
        let Ok(mut state) = self.held.enter() else {
            return;
        };
        state.engine.offer_unexpected(handler.is_some());
        state.handling.handler = handler;
        if !state.handling.within() {
            drop(self.held.wait_for_handler(state));
        }
    }

    /// Whether the calling thread is within this endpoint's handler.
    pub fn in_handler(&self) -> bool {
        self.held.enter().is_ok_and(|state| state.handling.within())
    }

    /// From now on no call makes progress.
    pub fn disable_progression(&self) -> Result<(), Error> {
        let mut state = self.held.enter()?;
        if state.handling.within() {
            return Err(Error::InHandler);
        }
        state.disabled = true;
        drop(self.held.wait_for_handler(state));
        Ok(())
    }

    /// Calls make progress again.
    pub fn reenable_progression(&self) {
        let Ok(mut state) = self.held.enter() else {
            return;
        };
        state.disabled = false;
        self.held.tell_others(&state);
    }
}

impl Held {
    fn wait_for_handler<'a>(
        &'a self,
        mut state: MutexGuard<'a, EndpointState>,
    ) -> MutexGuard<'a, EndpointState> {
        while state.handling.running() {
            state.waiting += 1;
            state = self
                .moved
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        state
    }

    /// Shows the handler what waits for it. Whether there was something.
    pub(super) fn offer<'a>(
        &'a self,
        mut state: MutexGuard<'a, EndpointState>,
    ) -> (MutexGuard<'a, EndpointState>, bool) {
        let mut offered = false;
        while !state.handling.running()
            && let Some(mut offer) = state.engine.next_offer()
        {
            offered = true;
            let mut action = Action::Continue;
            if let Some(handler) = state.handling.handler.clone() {
                let source = state.address(offer.partner);
                state.handling.running = Some(this_thread());
                drop(state);
                let message = UnexpectedMessage {
                    source,
                    match_info: offer.match_info,
                    length: offer.length,
                    data: offer.data.as_deref_mut(),
                };
                action = siblings::handling(|| handler(message));
                state = self.lock();
                state.handling.running = None;
            }
            let EndpointState { engine, port, .. } = &mut *state;
            engine.answer(offer, action, port);
            (state.rested, state.idle) = (None, false);
            state.flush(self.channel());
            self.tell_others(&state);
        }
        (state, offered)
    }
}
