//! Receives, and looks for messages that have come.

use core::ffi::c_void;

use open_mx::{Claim, Status};
use slotmap::Key;

use super::beside::Told;
use super::operation::{Kind, Operation, OperationKey, Several};
use super::state::{Endpoint, State};
use crate::abi::completion::Pointer;
use crate::abi::flags::{
    ADDRESS_UNSPECIFIED, CLAIM, COMPLETION, DISCARD, MSG, MULTI_RECV, PEEK, RECV, TAGGED, code,
};
use crate::abi::operations::IoVector;
use crate::error;
use crate::memory::memory;

/// What an application wants to receive.
pub struct Receive<'a> {
    pub parts: &'a [IoVector],
    pub from: u64,
    /// Without one it is a message without tag.
    pub tag: Option<u64>,
    /// Bits of the tag that do not count.
    pub ignore: u64,
    pub context: Pointer,
    pub flags: u64,
}

impl Endpoint {
    /// Begins a receive, or looks for a message.
    ///
    /// # Safety
    /// Its parts are memory of the application that is left alone until the receive is complete.
    pub unsafe fn receive(&self, receive: &Receive<'_>) -> Result<(), i32> {
        let mut state = self.state();
        let from = match receive.from {
            ADDRESS_UNSPECIFIED => None,
            _ if !self.directed => None,
            number => Some(self.address(&state, number)?),
        };
        let (match_info, mask) = self.layout.wanted(receive.tag, receive.ignore);
        if receive.flags & PEEK != 0 {
            return self.look(&mut state, receive, match_info, mask, from);
        }
        let claim = match receive.flags & CLAIM {
            0 => None,
            _ => {
                let claim = state.claims.remove(&receive.context.0.addr());
                Some(claim.ok_or(code::EINVAL)?)
            }
        };
        if let Some((claim, status)) = claim
            && receive.flags & DISCARD != 0
        {
            self.discard(&mut state, claim, &status)?;
            let operation = self.operation(&mut state, receive, Kind::Receive(Pointer::NULL));
            if let Some(operation) = state.operations.remove(operation) {
                let entry = operation.entry(0, Pointer::NULL, receive.tag.unwrap_or(0), 0);
                state.receives.complete(&operation, entry, None);
            }
            return Ok(());
        }
        // SAFETY: promised by the caller.
        let memory = unsafe { memory(receive.parts) }?;
        let base = Pointer(
            receive
                .parts
                .first()
                .map_or(core::ptr::null_mut(), |part| part.base),
        );
        let kind = match receive.flags & MULTI_RECV {
            0 => Kind::Receive(base),
            _ => Kind::Several(Several {
                base,
                length: memory.length() as usize,
                used: 0,
                match_info,
                mask,
                from,
            }),
        };
        let operation = self.operation(&mut state, receive, kind);
        let word = operation.data().as_ffi();
        let begun = match claim {
            Some((claim, _)) => self.mx.0.irecv_claimed(claim, memory, word),
            None => self.mx.0.irecv_from(memory, match_info, mask, from, word),
        };
        state.begun(operation, begun)
    }

    fn operation(&self, state: &mut State, receive: &Receive<'_>, kind: Kind) -> OperationKey {
        let side = &state.receives;
        let told = !side.selective || receive.flags & COMPLETION != 0;
        let told = told && side.queue.is_some();
        state.operations.insert(Operation {
            context: receive.context,
            flags: RECV | kind_of(receive.tag),
            told,
            request: None,
            waiting: None,
            kind,
        })
    }

    /// Looks for a message; the answer is a completion.
    fn look(
        &self,
        state: &mut State,
        receive: &Receive<'_>,
        match_info: u64,
        mask: u64,
        from: Option<open_mx::Address>,
    ) -> Result<(), i32> {
        let found = if receive.flags & (CLAIM | DISCARD) == 0 {
            let found = self.mx.0.iprobe_from(match_info, mask, from);
            found.map(|found| found.map(|status| (None, status)))
        } else {
            let found = self.mx.0.claim(match_info, mask, from);
            found.map(|found| found.map(|(claim, status)| (Some(claim), status)))
        };
        let found = found.map_err(|error| error::of_call(&error))?;
        let looked = Operation {
            context: receive.context,
            flags: PEEK | RECV | kind_of(receive.tag),
            told: true,
            request: None,
            waiting: None,
            kind: Kind::Receive(Pointer::NULL),
        };
        let Some((claim, status)) = found else {
            state.receives.fail(&looked, code::ENOMSG, None);
            return Ok(());
        };
        let told = match claim {
            Some(claim) if receive.flags & DISCARD != 0 => self.discard(state, claim, &status)?,
            Some(claim) => {
                let told = self.told(state, &status, false);
                let context = receive.context.0.addr();
                state.claims.insert(context, (claim, status));
                told
            }
            None => self.told(state, &status, false),
        };
        self.deliver(state, &looked, &status, told, Pointer::NULL, 0);
        Ok(())
    }

    /// Throws a message away that was claimed; what it has said.
    fn discard(&self, state: &mut State, claim: Claim, status: &Status) -> Result<Told, i32> {
        let discarded = self.mx.0.discard_claimed(claim);
        discarded.map_err(|error| error::of_call(&error))?;
        Ok(self.told(state, status, true))
    }

    /// Takes a receive back: its completion is an error. Nothing happens when it is too late.
    pub fn cancel(&self, context: *mut c_void) -> Result<(), i32> {
        let mut state = self.state();
        let is_it =
            |operation: &Operation| operation.context.0 == context && operation.flags & RECV != 0;
        let found = state
            .operations
            .iter()
            .find(|(_, operation)| is_it(operation));
        let Some((key, request)) = found.map(|(key, operation)| (key, operation.request)) else {
            return Err(code::ENOENT);
        };
        let cancelled = request.map_or(Ok(true), |request| self.mx.0.cancel(request));
        if cancelled.map_err(|error| error::of_call(&error))?
            && let Some(operation) = state.operations.remove(key)
        {
            let end = Some(open_mx::Code::Cancelled);
            state.receives.fail(&operation, code::ECANCELED, end);
        }
        Ok(())
    }
}

fn kind_of(tag: Option<u64>) -> u64 {
    if tag.is_some() { TAGGED } else { MSG }
}
