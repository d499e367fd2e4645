//! Sleeping elsewhere: an application that polls descriptors of its own polls those of an endpoint with them.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::epoll;
use rustix::io::Errno;

use super::Endpoint;
use crate::backend::{CallError, sleep_on_all};
use crate::clock;
use crate::error::Error;

/// When to look again at an endpoint that another thread sleeps for.
const MOMENT: Duration = Duration::from_millis(10);

/// Whether a thread may sleep elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// Something has completed, or the endpoint has ended.
    NotNow,
    /// At most until then (CLOCK_MONOTONIC), or until something happens.
    Until(Option<Duration>),
}

impl Endpoint {
    /// Adds what tells that something happens at this endpoint to an epoll descriptor, which is readable then.
    pub fn add_to_poll(&self, poll: BorrowedFd<'_>) -> Result<(), Error> {
        let _state = self.held.enter()?;
        let signals = self.held.channel().signals()?;
        let tells = epoll::EventFlags::IN;
        let line = match signals.line_tells {
            true => tells,
            // That it hangs up is told unasked.
            false => epoll::EventFlags::empty(),
        };
        let watched = [
            (Some(signals.bell), tells),
            (signals.bytes, tells),
            (Some(signals.line), line),
        ];
        for (descriptor, flags) in watched {
            let Some(descriptor) = descriptor else {
                continue;
            };
            match epoll::add(poll, descriptor, epoll::EventData::new_u64(0), flags) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(CallError(errno).into()),
            }
        }
        Ok(())
    }

    /// Makes progress, and prepares for a sleep on what [`Self::add_to_poll`] has added. [`Self::awake`] ends it.
    pub fn prepare_sleep(&self) -> Result<Sleep, Error> {
        let held = &self.held;
        let mut state = held.enter()?;
        if state.sleeping || state.stopped() {
            return Ok(Sleep::Until(Some(clock::now() + MOMENT)));
        }
        if state.covered {
            // The thread that sleeps for it leaves it to this one, and rings once more when it has.
            held.channel().wakeup();
        }
        let slept = sleep_on_all(&[held.channel().signals()?], Some(clock::now()));
        if !slept.gone.is_empty() {
            state.fail(CallError(Errno::PIPE).into());
        }
        let news = state.about_to_sleep();
        if held.channel().process_arms() {
            state.port.process.arm();
        }
        // What came before the arming would wake nobody.
        let mut state = held.advance(state);
        if news
            || state.broken.is_some()
            || state.engine.first_done(0, 0).is_some()
            || state.event_waits()
        {
            state.woken();
            return Ok(Sleep::NotNow);
        }
        let until = state.engine.deadline();
        state.flush(held.channel());
        state.sleeping = true;
        state.alarm = Some(until.unwrap_or(Duration::MAX));
        Ok(Sleep::Until(until))
    }

    /// The thread that slept elsewhere does not any more.
    pub fn awake(&self) {
        if let Ok(mut state) = self.held.enter() {
            state.sleeping = false;
            state.woken();
            state.alarm = None;
            if state.waiting > 0 {
                self.held.moved.notify_all();
            }
        }
    }
}
