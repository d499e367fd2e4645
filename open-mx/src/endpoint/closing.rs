//! The end of an endpoint: its last words, and that its backend has let go of it.

use std::sync::Arc;
use std::time::Duration;

use mx_engine::QueuePort;

use super::state::{self, EndpointState};
use super::{Endpoint, siblings};
use crate::clock;
use crate::error::Error;

/// How long a close waits for its backend to take what was posted.
const LAST_COMMANDS: Duration = Duration::from_millis(200);

impl Drop for Endpoint {
    fn drop(&mut self) {
        let Ok(mut state) = self.held.enter() else {
            // Never given back: the queues are the parent's, and where they lay something else may be by now.
            std::mem::forget(self.held.clone());
            return;
        };
        siblings::remove(&self.held);
        // Another thread that sleeps for this endpoint, too, lets go of it.
        state.broken.get_or_insert(Error::NotOpen);
        if state.covered {
            self.held.channel().wakeup();
        }
        // From now on it is for the backend to tell neighbours that nobody is there.
        if let Some(own) = &mut state.inbox {
            own.inbox().close();
        }
        let start = clock::now();
        let in_time = || clock::now().saturating_sub(start) < LAST_COMMANDS;
        let EndpointState { engine, port, .. } = &mut *state;
        let mut words = engine.take_leave(port).into_iter().peekable();
        while let Some(word) = words.peek()
            && in_time()
        {
            if state.port.post(word, &[]) {
                words.next();
            } else {
                state.flush(self.held.channel());
                std::thread::sleep(Duration::from_micros(50));
            }
        }
        state.flush(self.held.channel());
        // Open-MX hands each frame to the card within the call that posts it: a program may close right after.
        let process = &state.port.process;
        while process.sent() != process.next_command_index()
            && process.status() == state::OPEN
            && in_time()
            && self.held.channel().alive()
        {
            std::thread::sleep(Duration::from_micros(50));
        }
        drop(state);
        // The endpoint can be opened again when this returns.
        while Arc::strong_count(&self.held) > 1 && in_time() {
            std::thread::sleep(Duration::from_micros(50));
        }
        self.held.channel().close();
    }
}
