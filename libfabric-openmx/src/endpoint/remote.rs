//! Reads and writes of another process's memory, by messages that its own calls answer.
//!
//! A write is a request, its bytes, and an answer; a read a request, and the bytes; an atomic operation a request that has
//! its values, and one of both. A number that whoever asks has given tells which belong together. Why something is refused
//! stands in the match info of the answer, or of bytes that are none.

use open_mx::{Address, Code, Memory, Status};
use slotmap::Key;

use super::operation::{Kind, Landing, Operation, OperationKey, Waiting};
use super::request::{Asked, REQUEST_MAX, Request};
use super::state::{Endpoint, State};
use crate::abi::completion::Pointer;
use crate::abi::flags::{
    COMPLETION, INJECT, READ, REMOTE_CQ_DATA, REMOTE_READ, REMOTE_WRITE, RMA, SILENT, WRITE,
};
use crate::abi::operations::IoVector;
use crate::error;
use crate::match_info::Remote;
use crate::memory::{copied, memory, nothing, own};

/// Requests that an endpoint can have before its application calls; more of them wait among unexpected messages.
const REQUESTS: usize = 16;

/// What an application wants of another process's memory.
pub struct Transfer<'a> {
    /// Its own memory.
    pub parts: &'a [IoVector],
    pub peer: u64,
    pub key: u64,
    pub begin: u64,
    pub data: Option<u64>,
    pub context: Pointer,
    pub flags: u64,
}

/// An operation that another process has to answer.
pub struct Question {
    pub peer: u64,
    pub context: Pointer,
    /// Of the call.
    pub flags: u64,
    pub kind: Kind,
    /// What its completion says of its kind.
    pub kind_flags: u64,
    /// What answers it, and its bytes go there.
    pub answer: Remote,
    pub into: Memory,
}

impl Endpoint {
    /// Others may ask from now on.
    pub fn serve(&self) -> Result<(), i32> {
        let mut state = self.state();
        if !(self.remote || self.atomic) || state.serves {
            return Ok(());
        }
        for _ in 0..REQUESTS {
            let place = own(vec![0; REQUEST_MAX])?;
            self.await_request(&mut state, place)?;
        }
        state.serves = true;
        Ok(())
    }

    fn await_request(&self, state: &mut State, place: Memory) -> Result<(), i32> {
        let (info, mask) = Remote::Request.wanted(None);
        let key = state.part(Kind::Request(place.clone()));
        let word = key.data().as_ffi();
        let begun = self.mx.0.irecv_from(place, info, mask, None, word);
        state.begun(key, begun)
    }

    /// Begins to read or to write.
    ///
    /// # Safety
    /// Its parts are memory of the application that is left alone until the operation is complete; with [`INJECT`], until
    /// this returns.
    pub unsafe fn transfer(&self, writes: bool, transfer: &Transfer<'_>) -> Result<(), i32> {
        let inject = transfer.flags & INJECT != 0;
        let memory = if inject {
            // SAFETY: promised by the caller for as long as this call.
            unsafe { copied(transfer.parts) }?
        } else {
            // SAFETY: promised by the caller.
            unsafe { memory(transfer.parts) }?
        };
        let (kind, kind_flags, answer, into) = if writes {
            (Kind::Write, WRITE, Remote::Answer, nothing()?)
        } else {
            (Kind::Read, READ, Remote::Payload, memory.clone())
        };
        let question = Question {
            peer: transfer.peer,
            context: transfer.context,
            flags: transfer.flags,
            kind,
            kind_flags: RMA | kind_flags,
            answer,
            into,
        };
        let data = transfer.data;
        let request = Request {
            key: transfer.key,
            begin: transfer.begin,
            length: memory.length().into(),
            asked: match writes {
                true => Asked::Write { data },
                false => Asked::Read,
            },
        };
        let mut state = self.state();
        let (key, number) = self.ask(&mut state, question, &request)?;
        if !writes {
            return Ok(());
        }
        let payload = Remote::Payload.info(number, 0);
        let sent = self.send_part(&mut state, transfer.peer, key, payload, memory);
        if sent.is_err() {
            self.give_up(&mut state, key);
        }
        sent
    }

    /// Asks another process for something; the operation, and its number for both.
    pub(super) fn ask(
        &self,
        state: &mut State,
        question: Question,
        request: &Request<'_>,
    ) -> Result<(OperationKey, u32), i32> {
        let side = &state.sends;
        let told = side.queue.is_some() && (!side.selective || question.flags & COMPLETION != 0);
        let address = self.address(state, question.peer)?;
        let body = own(request.to_bytes())?;
        state.numbers = state.numbers.wrapping_add(1);
        let number = state.numbers;
        let key = state.operations.insert(Operation {
            context: question.context,
            flags: question.kind_flags,
            told: told && question.flags & SILENT == 0,
            request: None,
            waiting: None,
            kind: question.kind,
        });
        let (info, mask) = question.answer.wanted(Some(number));
        let word = key.data().as_ffi();
        let into = question.into;
        let begun = self.mx.0.irecv_from(into, info, mask, Some(address), word);
        state.begun(key, begun)?;
        let info = Remote::Request.info(number, request.code());
        let sent = self.send_part(state, question.peer, key, info, body);
        if let Err(code) = sent {
            self.give_up(state, key);
            return Err(code);
        }
        Ok((key, number))
    }

    /// Sends what belongs to an operation, which fails with it.
    fn send_part(
        &self,
        state: &mut State,
        to: u64,
        whole: OperationKey,
        match_info: u64,
        memory: Memory,
    ) -> Result<(), i32> {
        let part = state.part(Kind::Part(whole));
        let waiting = Waiting {
            memory,
            match_info,
            synchronous: false,
        };
        let begun = self.dispatch(state, to, part, waiting);
        if begun.is_err() {
            state.operations.remove(part);
        }
        begun
    }

    /// Forgets an operation of which a part has failed.
    fn give_up(&self, state: &mut State, whole: OperationKey) -> Option<Operation> {
        let operation = state.operations.remove(whole)?;
        if let Some(request) = operation.request {
            // It may have ended just now: nobody knows it any more.
            let _ = self.mx.0.cancel(request);
        }
        Some(operation)
    }

    /// A part could not be sent.
    pub(super) fn part_failed(
        &self,
        state: &mut State,
        whole: OperationKey,
        error: i32,
        code: Option<Code>,
    ) {
        if let Some(operation) = self.give_up(state, whole) {
            state.side_of(&operation).fail(&operation, error, code);
        }
    }

    /// An answer, or the bytes of a read, have come.
    pub(super) fn transferred(&self, state: &State, operation: &Operation, status: &Status) {
        let (_, refused) = Remote::parts(status.match_info);
        let (error, code) = match status.code {
            Code::Success => (refused as i32, None),
            code => (error::of_code(code), Some(code)),
        };
        let side = state.side_of(operation);
        if error == 0 {
            let entry = operation.entry(status.transferred as usize, Pointer::NULL, 0, 0);
            side.complete(operation, entry, None);
        } else {
            side.fail(operation, error, code);
        }
    }

    /// Somebody asks.
    pub(super) fn asked(&self, state: &mut State, body: Memory, status: &Status) {
        let mut bytes = [0; REQUEST_MAX];
        let bytes = &mut bytes[..REQUEST_MAX.min(status.transferred as usize)];
        body.copy_out(0, bytes);
        // Without memory for it one less is awaited; when none is, requests wait.
        let _ = self.await_request(state, body);
        let (Code::Success, Some(from)) = (status.code, status.address) else {
            return;
        };
        let (number, code) = Remote::parts(status.match_info);
        let Some(request) = Request::parse(code, bytes) else {
            return;
        };
        match request.asked {
            Asked::Read => self.read(state, from, number, &request),
            Asked::Write { data } => self.await_write(state, from, number, &request, data),
            Asked::Atomic {
                atomic,
                operands,
                compares,
            } => {
                let values = (atomic, operands, compares);
                self.perform(state, from, number, &request, values);
            }
        }
    }

    /// Somebody reads.
    fn read(&self, state: &mut State, from: Address, number: u32, request: &Request<'_>) {
        let Request {
            key, begin, length, ..
        } = *request;
        let found = self.regions.find(key, begin, length, REMOTE_READ);
        let (memory, refused) = found.map_or_else(|code| (None, code), |memory| (Some(memory), 0));
        let info = Remote::Payload.info(number, refused as u32);
        self.answer(state, from, info, memory);
    }

    /// Somebody writes: the bytes come next.
    fn await_write(
        &self,
        state: &mut State,
        from: Address,
        number: u32,
        request: &Request<'_>,
        data: Option<u64>,
    ) {
        let Request {
            key, begin, length, ..
        } = *request;
        let found = self.regions.find(key, begin, length, REMOTE_WRITE);
        let (memory, refused) = match (found, nothing()) {
            (Ok(memory), _) => (memory, 0),
            // The bytes come all the same, and go nowhere.
            (Err(code), Ok(nowhere)) => (nowhere, code),
            (Err(_), Err(_)) => return,
        };
        let landing = state.part(Kind::Landing(Landing {
            from,
            number,
            data,
            refused,
        }));
        let (info, mask) = Remote::Payload.wanted(Some(number));
        let word = landing.data().as_ffi();
        let begun = self.mx.0.irecv_from(memory, info, mask, Some(from), word);
        // Who has asked hears nothing of it, until it gives this endpoint up.
        let _ = state.begun(landing, begun);
    }

    /// The bytes of a write are there.
    pub(super) fn landed(&self, state: &mut State, landing: &Landing, status: &Status) {
        let code = match (landing.refused, status.code) {
            (0, Code::Success) => 0,
            (0, code) => error::of_code(code),
            (refused, _) => refused,
        };
        let info = Remote::Answer.info(landing.number, code as u32);
        self.answer(state, landing.from, info, None);
        if code != 0 {
            return;
        }
        if let Some(data) = landing.data {
            let written = Operation {
                context: Pointer::NULL,
                flags: RMA | REMOTE_WRITE | REMOTE_CQ_DATA,
                told: true,
                request: None,
                waiting: None,
                kind: Kind::Receive(Pointer::NULL),
            };
            let entry = written.entry(status.transferred as usize, Pointer::NULL, 0, data);
            let from = self.number_of(state, landing.from);
            state.receives.tell(entry, from);
        }
    }

    /// Sends to whoever has asked. It has a relation with this endpoint; should that end, so does its operation.
    pub(super) fn answer(&self, state: &mut State, to: Address, info: u64, memory: Option<Memory>) {
        let Ok(nothing) = nothing() else {
            return;
        };
        let key = state.part(Kind::Alone);
        let word = key.data().as_ffi();
        let memory = memory.unwrap_or(nothing);
        let begun = self.mx.0.isend(memory, to, info, word, false);
        let _ = state.begun(key, begun);
    }
}

impl State {
    /// An operation that only its endpoint knows.
    pub(super) fn part(&mut self, kind: Kind) -> OperationKey {
        self.operations.insert(Operation {
            context: Pointer::NULL,
            flags: 0,
            told: false,
            request: None,
            waiting: None,
            kind,
        })
    }
}
