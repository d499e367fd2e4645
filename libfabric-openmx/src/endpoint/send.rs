//! Sends.

use std::collections::VecDeque;

use open_mx::{Address, Code};
use slotmap::{Key, KeyData};

use super::operation::{Kind, Operation, OperationKey, Waiting};
use super::peers::Peer;
use super::state::{Endpoint, KEY, State};
use crate::abi::completion::Pointer;
use crate::abi::flags::{
    COMPLETION, DELIVERY_COMPLETE, INJECT, MATCH_COMPLETE, MSG, SEND, SILENT, TAGGED, code,
};
use crate::abi::operations::IoVector;
use crate::error;
use crate::match_info::Data;
use crate::memory::{copied, memory};

/// What an application sends.
pub struct Send<'a> {
    pub parts: &'a [IoVector],
    pub to: u64,
    /// Without one it is a message without tag.
    pub tag: Option<u64>,
    pub data: Option<u64>,
    pub context: Pointer,
    pub flags: u64,
}

impl Endpoint {
    /// Begins a send.
    ///
    /// # Safety
    /// Its parts are memory of the application that is left alone until the send is complete; with [`INJECT`], until this
    /// returns.
    pub unsafe fn send(&self, send: &Send<'_>) -> Result<(), i32> {
        let beside = send
            .data
            .filter(|data| self.layout.is_beside(send.tag, *data));
        let in_match_info = match (beside, send.data) {
            (None, Some(data)) => Data::Here(data),
            _ => Data::None,
        };
        let match_info = self.layout.of(send.tag, in_match_info);
        let mut match_info = match_info.ok_or(code::EINVAL)?;
        let inject = send.flags & INJECT != 0;
        let memory = if inject {
            // SAFETY: promised by the caller for as long as this call.
            unsafe { copied(send.parts) }?
        } else {
            // SAFETY: promised by the caller.
            unsafe { memory(send.parts) }?
        };
        let mut state = self.state();
        if let Some(data) = beside {
            let code = self.send_beside(&mut state, send.to, data)?;
            let with_code = self.layout.of(send.tag, Data::Beside(code));
            match_info = with_code.ok_or(code::EINVAL)?;
        }
        let side = &state.sends;
        let queue = side.queue.is_some();
        let told = queue && (!side.selective || send.flags & COMPLETION != 0);
        let kind = if send.tag.is_some() { TAGGED } else { MSG };
        let operation = state.operations.insert(Operation {
            context: send.context,
            flags: SEND | kind,
            told: told && send.flags & SILENT == 0,
            request: None,
            waiting: None,
            kind: Kind::Send,
        });
        let waiting = Waiting {
            memory,
            match_info,
            synchronous: send.flags & (DELIVERY_COMPLETE | MATCH_COMPLETE) != 0,
        };
        let begun = self.dispatch(&mut state, send.to, operation, waiting);
        if begun.is_err() {
            state.operations.remove(operation);
        }
        begun
    }

    /// Sends to a peer, or waits until it is connected.
    pub(super) fn dispatch(
        &self,
        state: &mut State,
        to: u64,
        operation: OperationKey,
        waiting: Waiting,
    ) -> Result<(), i32> {
        match state.peers.of(to) {
            Peer::Connected(address) => {
                let address = *address;
                return self.start(state, address, operation, waiting);
            }
            Peer::Connecting(queue) => {
                queue.push_back(operation);
            }
            Peer::Unknown => {
                let address = self.address(state, to)?;
                let connected = self.mx.0.is_connected(address);
                if connected.map_err(|error| error::of_call(&error))? {
                    *state.peers.of(to) = Peer::Connected(address);
                    return self.start(state, address, operation, waiting);
                }
                self.connect(state, to, address)?;
                *state.peers.of(to) = Peer::Connecting(VecDeque::from([operation]));
            }
        }
        if let Some(operation) = state.operations.get_mut(operation) {
            operation.waiting = Some(waiting);
        }
        Ok(())
    }

    /// The address of the endpoint that the application calls so.
    pub(super) fn address(&self, state: &State, number: u64) -> Result<Address, i32> {
        let vector = state.vector.as_ref().ok_or(code::ENOAV)?;
        let name = vector.name(number).ok_or(code::EINVAL)?;
        let named = self.mx.0.name(name.nic_id, name.endpoint);
        named.map_err(|error| error::of_call(&error))
    }

    fn connect(&self, state: &mut State, to: u64, address: Address) -> Result<(), i32> {
        let operation = state.operations.insert(Operation {
            context: Pointer::NULL,
            flags: 0,
            told: false,
            request: None,
            waiting: None,
            kind: Kind::Connect(to),
        });
        let word = operation.data().as_ffi();
        let begun = self
            .mx
            .0
            .iconnect(address.nic_id, address.endpoint, KEY, 0, word);
        state.begun(operation, begun)
    }

    /// Hands a send over to the library.
    pub(super) fn start(
        &self,
        state: &mut State,
        to: Address,
        operation: OperationKey,
        waiting: Waiting,
    ) -> Result<(), i32> {
        let word = operation.data().as_ffi();
        let Waiting {
            memory,
            match_info,
            synchronous,
        } = waiting;
        let begun = self.mx.0.isend(memory, to, match_info, word, synchronous);
        let request = begun.map_err(|error| error::of_call(&error))?;
        if let Some(operation) = state.operations.get_mut(operation) {
            operation.request = Some(request);
        }
        Ok(())
    }

    /// A connect has ended: what has waited for it goes, or fails as it has.
    pub(super) fn connected(&self, state: &mut State, peer: u64, ended: Result<Address, Code>) {
        let now = match ended {
            Ok(address) => Peer::Connected(address),
            Err(_) => Peer::Unknown,
        };
        let Peer::Connecting(queue) = core::mem::replace(state.peers.of(peer), now) else {
            return;
        };
        for operation in queue {
            let waiting = state.operations.get_mut(operation);
            let Some(waiting) = waiting.and_then(|operation| operation.waiting.take()) else {
                continue;
            };
            let begun = match ended {
                Ok(address) => self.start(state, address, operation, waiting),
                Err(code) => Err(error::of_code(code)),
            };
            if let Err(code) = begun
                && let Some(operation) = state.operations.remove(operation)
            {
                match operation.kind {
                    Kind::Part(whole) => self.part_failed(state, whole, code, ended.err()),
                    // What it is beside fails, too.
                    Kind::Alone => {}
                    _ => state.sends.fail(&operation, code, ended.err()),
                }
            }
        }
    }
}

/// The operation of a completion.
pub fn operation_of(word: u64) -> OperationKey {
    KeyData::from_ffi(word).into()
}
