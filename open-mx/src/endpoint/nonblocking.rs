//! Calls that look for something and do not wait.

use std::sync::MutexGuard;

use super::held::Held;
use super::polling::Due;
use super::siblings;
use super::state::EndpointState;
use crate::clock;
use crate::error::Error;

impl Held {
    /// Makes progress once, then looks for something.
    pub fn polled<T>(
        &self,
        look: impl FnOnce(&mut EndpointState) -> Result<Option<T>, Error>,
    ) -> Result<Option<T>, Error> {
        self.looked(look, Option::is_some)
    }

    /// Makes progress once, then runs a call that finds something or not. When such calls go on without finding anything others get their
    /// turn.
    pub fn looked<T>(
        &self,
        call: impl FnOnce(&mut EndpointState) -> Result<T, Error>,
        finds: impl FnOnce(&T) -> bool,
    ) -> Result<T, Error> {
        let mut state = self.enter()?;
        let now = clock::now();
        let mut news = false;
        // Where nothing has come and nothing is due, progress would change nothing that others wait for.
        let result = if state.rests(now) {
            call(&mut state)
        } else {
            let completed = state.engine.completions();
            news = state.port.process.event_waits();
            state = self.advance_to(now, state);
            let result = call(&mut state);
            self.tell_of_change(&mut state, completed);
            result
        };
        if news || result.as_ref().map_or(true, finds) {
            self.polling.found();
        } else {
            drop(self.looked_in_vain(state, 1));
        }
        result
    }

    /// So many looks have found nothing: others get their turn when it is due, other endpoints of the process as well as
    /// whoever needs the processor.
    #[inline]
    pub fn looked_in_vain<'a>(
        &'a self,
        state: MutexGuard<'a, EndpointState>,
        looks: u32,
    ) -> MutexGuard<'a, EndpointState> {
        match self.polling.fruitless(looks) {
            Due::Nothing => state,
            due => self.give_way(due, state),
        }
    }

    #[cold]
    fn give_way<'a>(
        &'a self,
        due: Due,
        mut state: MutexGuard<'a, EndpointState>,
    ) -> MutexGuard<'a, EndpointState> {
        let starves = due == Due::HandOver && state.backend_starves();
        drop(state);
        siblings::look_after_others_of(self);
        if due == Due::HandOver {
            self.polling.hand_over(starves);
        }
        self.lock()
    }
}
