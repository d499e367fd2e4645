//! Completions of the library become those of queues and counters.

use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

use open_mx::{Address, Code, Sleep, Status};
use slotmap::Key;

use super::beside::Told;
use super::operation::{Kind, Operation, OperationKey, Several};
use super::send::operation_of;
use super::state::{Endpoint, Side, State};
use crate::abi::completion::{Entry, ErrorEntry, Pointer};
use crate::abi::flags::{MULTI_RECV, REMOTE_CQ_DATA};
use crate::address::Name;
use crate::endpoints::Advance;
use crate::error;

/// Completions that one look takes: an application has other queues, too.
const BATCH: usize = 64;

impl Advance for Endpoint {
    fn advance(&self) {
        if self.sleeps.swap(false, Ordering::Relaxed) {
            self.mx.0.awake();
        }
        let mut state = self.state();
        for _ in 0..BATCH {
            match self.mx.0.test_any(0, 0) {
                Ok(Some(status)) => self.ended(&mut state, operation_of(status.context), &status),
                Ok(None) => return,
                Err(error) => return state.fail_all(error::of_call(&error)),
            }
        }
    }

    fn wait(&self, time: Option<Duration>) -> Result<(), i32> {
        let waited = self.mx.0.peek(time);
        waited.map(drop).map_err(|error| error::of_call(&error))
    }

    fn is_usable(&self) -> Result<(), i32> {
        let usable = self.mx.0.progress();
        usable.map_err(|error| error::of_call(&error))
    }

    fn add_to_poll(&self, poll: BorrowedFd<'_>) -> Result<(), i32> {
        let added = self.mx.0.add_to_poll(poll);
        added.map_err(|error| error::of_call(&error))
    }

    fn prepare_sleep(&self) -> Sleep {
        // What went wrong is told by the next call.
        let prepared = self.mx.0.prepare_sleep().unwrap_or(Sleep::NotNow);
        if prepared != Sleep::NotNow {
            self.sleeps.store(true, Ordering::Relaxed);
        }
        prepared
    }

    fn wake(&self) {
        self.mx.0.wakeup();
    }
}

impl Endpoint {
    fn ended(&self, state: &mut State, key: OperationKey, status: &Status) {
        let Some(operation) = state.operations.remove(key) else {
            return;
        };
        match operation.kind {
            Kind::Connect(peer) => {
                let ended = match (status.code, status.address) {
                    (Code::Success, Some(address)) => Ok(address),
                    (code, _) => Err(code),
                };
                self.connected(state, peer, ended);
            }
            // That a message was longer than its receive is the receiver's error.
            Kind::Send if matches!(status.code, Code::Success | Code::MessageTruncated) => {
                let entry = operation.entry(status.transferred as usize, Pointer::NULL, 0, 0);
                state.sends.complete(&operation, entry, None);
            }
            Kind::Send => {
                state
                    .sends
                    .fail(&operation, error::of_code(status.code), Some(status.code));
            }
            Kind::Receive(base) => self.received(state, &operation, status, base),
            Kind::Several(several) => self.one_of_several(state, operation, several, status),
            Kind::Read | Kind::Write => self.transferred(state, &operation, status),
            Kind::Part(whole) if status.code != Code::Success => {
                let error = error::of_code(status.code);
                self.part_failed(state, whole, error, Some(status.code));
            }
            Kind::Part(_) | Kind::Alone => {}
            Kind::Taken => self.taken(state, status),
            Kind::Request(body) => self.asked(state, body, status),
            Kind::Landing(landing) => self.landed(state, &landing, status),
        }
    }

    fn received(&self, state: &mut State, operation: &Operation, status: &Status, buffer: Pointer) {
        match status.code {
            Code::Success => {
                let told = self.told(state, status, true);
                self.deliver(state, operation, status, told, buffer, 0);
            }
            code => {
                let told = self.told(state, status, true);
                let length = status.transferred as usize;
                let entry = operation.entry(length, buffer, told.tag, told.data.unwrap_or(0));
                let overflow = status.message_length.saturating_sub(status.transferred);
                state.receives.tell_failure(ErrorEntry {
                    entry,
                    overflow: overflow as usize,
                    error: error::of_code(code),
                    provider_error: code as i32,
                    error_data: Pointer::NULL,
                    error_data_size: 0,
                });
            }
        }
    }

    /// Tells that a message was received, or found.
    pub(super) fn deliver(
        &self,
        state: &State,
        operation: &Operation,
        status: &Status,
        told: Told,
        buffer: Pointer,
        more_flags: u64,
    ) {
        let length = status.message_length as usize;
        let mut entry = operation.entry(length, buffer, told.tag, told.data.unwrap_or(0));
        entry.flags |= more_flags;
        if told.data.is_some() {
            entry.flags |= REMOTE_CQ_DATA;
        }
        let from = status.address.and_then(|from| self.number_of(state, from));
        state.receives.complete(operation, entry, from);
    }

    /// What the application calls an endpoint, if it does.
    pub(super) fn number_of(&self, state: &State, address: Address) -> Option<u64> {
        state.vector.as_ref()?.number(Name {
            nic_id: address.nic_id,
            endpoint: address.endpoint,
        })
    }

    /// A message of a receive of several: the next one goes behind it, while there is room.
    fn one_of_several(
        &self,
        state: &mut State,
        operation: Operation,
        several: Several,
        status: &Status,
    ) {
        let at = Pointer(several.base.0.wrapping_byte_add(several.used));
        let room = several.length - several.used;
        let used = several.used + (status.transferred as usize).next_multiple_of(8).min(room);
        let next = Several { used, ..several };
        let goes_on =
            status.code == Code::Success && several.length - used >= state.min_multi_receive;
        let more_flags = if goes_on { 0 } else { MULTI_RECV };
        match status.code {
            Code::Success => {
                let told = self.told(state, status, true);
                self.deliver(state, &operation, status, told, at, more_flags);
            }
            _ => self.received(state, &operation, status, at),
        }
        if !goes_on {
            return;
        }
        let context = operation.context;
        let key = state.operations.insert(Operation {
            kind: Kind::Several(next),
            request: None,
            ..operation
        });
        let word = key.data().as_ffi();
        let begun = next.room().and_then(|memory| {
            let begun = self
                .mx
                .0
                .irecv_from(memory, next.match_info, next.mask, next.from, word);
            begun.map_err(|error| error::of_call(&error))
        });
        match begun {
            Ok(request) => state.operations[key].request = Some(request),
            Err(code) => {
                if let Some(operation) = state.operations.remove(key) {
                    debug_assert_eq!(operation.context, context);
                    state.receives.fail(&operation, code, None);
                }
            }
        }
    }
}

impl State {
    /// The endpoint is of no use any more: whatever waits fails, each once.
    fn fail_all(&mut self, code: i32) {
        for (_, operation) in self.operations.drain() {
            match operation.kind {
                Kind::Send => self.sends.fail(&operation, code, None),
                Kind::Receive(_) | Kind::Several(_) => self.receives.fail(&operation, code, None),
                Kind::Read => self.reads.fail(&operation, code, None),
                Kind::Write => self.writes.fail(&operation, code, None),
                Kind::Connect(_) | Kind::Part(_) | Kind::Alone | Kind::Taken => {}
                Kind::Request(_) | Kind::Landing(_) => {}
            }
        }
    }

    /// Where a read or a write completes.
    pub(super) fn side_of(&self, operation: &Operation) -> &Side {
        match operation.kind {
            Kind::Read => &self.reads,
            _ => &self.writes,
        }
    }
}

impl Side {
    /// An operation has completed.
    pub fn complete(&self, operation: &Operation, entry: Entry, from: Option<u64>) {
        if let Some(counter) = &self.counter {
            counter.count(true);
        }
        if operation.told {
            self.tell(entry, from);
        }
    }

    /// Tells it by the queue.
    pub fn tell(&self, entry: Entry, from: Option<u64>) {
        if let Some(queue) = &self.queue {
            queue.complete(entry, from);
        }
    }

    /// An operation has failed; the library's code, where it is the library that failed it.
    pub fn fail(&self, operation: &Operation, error: i32, code: Option<Code>) {
        let entry = operation.entry(0, Pointer::NULL, 0, 0);
        self.tell_failure(ErrorEntry {
            entry,
            overflow: 0,
            error,
            provider_error: code.map_or(0, |code| code as i32),
            error_data: Pointer::NULL,
            error_data_size: 0,
        });
    }

    /// What has failed is told whether or not its completion was wanted.
    fn tell_failure(&self, entry: ErrorEntry) {
        if let Some(counter) = &self.counter {
            counter.count(false);
        }
        if let Some(queue) = &self.queue {
            queue.fail(entry);
        }
    }
}
