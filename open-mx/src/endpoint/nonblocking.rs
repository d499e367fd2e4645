//! Calls that look for something and do not wait.

use std::sync::MutexGuard;

use mx_engine::RequestKey;

use super::Status;
use super::held::Held;
use super::polling::Due;
use super::siblings;
use super::state::EndpointState;
use crate::error::Error;

impl Held {
    /// Makes progress once, then looks for something.
    #[inline(always)]
    pub fn polled<T>(
        &self,
        look: impl FnOnce(&mut EndpointState) -> Result<Option<T>, Error>,
    ) -> Result<Option<T>, Error> {
        self.looked(look, Option::is_some)
    }

    /// Makes progress once, then runs a call that finds something or not. When such calls go on without finding anything others get their
    /// turn.
    #[inline(always)]
    pub fn looked<T>(
        &self,
        call: impl FnOnce(&mut EndpointState) -> Result<T, Error>,
        finds: impl FnOnce(&T) -> bool,
    ) -> Result<T, Error> {
        let state = self.enter()?;
        let news = state.has_news();
        let mut state = self.progress_if_due(state, news);
        let result = call(&mut state);
        if news || result.as_ref().map_or(true, finds) {
            self.polling.found();
        } else {
            drop(self.looked_in_vain(state, 1));
        }
        result
    }

    /// Whether a request is done, which uses it up: its status is told when others may enter again. Where nothing has come, what is done already needs no progress to
    /// be told, and of what is not, progress would learn no more than the look before.
    #[inline(always)]
    pub fn tested(&self, request: RequestKey, tell: impl FnOnce(Status)) -> Result<bool, Error> {
        let mut state = self.enter()?;
        let news = state.has_news();
        let known = !news && state.readings.may_be_spared();
        if !known {
            state = self.progress_if_due(state, news);
        }
        match state.engine.take_if_done(request) {
            Some(Ok(outcome)) => {
                if known {
                    state.readings.spare();
                }
                self.polling.found();
                let status = state.status(outcome);
                drop(state);
                tell(status);
                Ok(true)
            }
            Some(Err(_)) if known && state.idle => {
                state.readings.spare();
                drop(self.looked_in_vain(state, 1));
                Ok(false)
            }
            Some(Err(_)) => {
                let done = self.not_done(state, request, known, news)?;
                Ok(done.map(tell).is_some())
            }
            None => Err(Error::Request),
        }
    }

    /// The same of a request that was not done.
    #[inline(never)]
    fn not_done<'a>(
        &'a self,
        mut state: MutexGuard<'a, EndpointState>,
        request: RequestKey,
        known: bool,
        news: bool,
    ) -> Result<Option<Status>, Error> {
        if known {
            // A call since the last look may have left something to do.
            state = self.progress_if_due(state, news);
            match state.engine.take_if_done(request) {
                Some(Ok(outcome)) => {
                    self.polling.found();
                    return Ok(Some(state.status(outcome)));
                }
                Some(Err(_)) => {}
                None => return Err(Error::Request),
            }
        }
        if news {
            self.polling.found();
        } else {
            drop(self.looked_in_vain(state, 1));
        }
        Ok(None)
    }

    /// What a test tells without progress and without the time: that a request is done, where nothing has come.
    #[inline(always)]
    pub fn done_already(&self, request: RequestKey) -> Result<Option<Status>, Error> {
        let mut state = self.enter()?;
        if !state.readings.may_be_spared() || state.has_news() {
            return Ok(None);
        }
        let Some(Ok(outcome)) = state.engine.take_if_done(request) else {
            return Ok(None);
        };
        state.readings.spare();
        self.polling.found();
        Ok(Some(state.status(outcome)))
    }

    /// Makes progress with news, or when something may be due. Where nothing has come and nothing is due, progress would change
    /// nothing that others wait for.
    #[inline(never)]
    fn progress_if_due<'a>(
        &'a self,
        mut state: MutexGuard<'a, EndpointState>,
        news: bool,
    ) -> MutexGuard<'a, EndpointState> {
        let Some(now) = state.time_of_progress(news) else {
            return state;
        };
        let completed = state.engine.completions();
        state = self.advance_to(now, state);
        self.tell_of_change(&mut state, completed);
        state
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
