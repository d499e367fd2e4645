//! Data that has no room in the match info of its message goes beside it, by a message of its own.
//!
//! That one is sent first, has no bytes, and carries the data in its match info with a code that its message has, too. It is
//! always there when its message has been matched, since messages of one endpoint to another are matched in their order, and
//! no receive wants it: whoever has received a message, truncated or whole, takes it from among the unexpected ones, as
//! does whoever throws a message away; whoever only looks leaves it. So lengths, memory and order of the message itself
//! are what they are without data, and other messages know nothing of all this.
//!
//! Who has taken it says so, again without bytes: then its code is free. It is not sent synchronously, which would say
//! the same: few messages can be that are not matched, and all others wait behind them.

use open_mx::{Code, Status};
use slotmap::Key;

use super::operation::{Kind, Waiting};
use super::state::{Endpoint, State};
use crate::abi::flags::code;
use crate::address::Name;
use crate::match_info::{Data, Remote};
use crate::memory::nothing;

/// Receives of what peers have taken; more of that waits among unexpected messages.
const AWAITED: usize = 4;

/// What an application is told of a message besides its length.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    pub tag: u64,
    pub data: Option<u64>,
}

impl Endpoint {
    /// Sends data beside the message that comes next; its code. [`code::EAGAIN`] when too many wait for their receiver.
    pub(super) fn send_beside(&self, state: &mut State, to: u64, data: u64) -> Result<u32, i32> {
        let memory = nothing()?;
        if !state.beside.awaits {
            for _ in 0..AWAITED {
                self.await_taken(state)?;
            }
            state.beside.awaits = true;
        }
        let address = self.address(state, to)?;
        let name = Name {
            nic_id: address.nic_id,
            endpoint: address.endpoint,
        };
        let code = state.beside.take(name);
        let code = code.ok_or(code::EAGAIN)?;
        let operation = state.part(Kind::Alone);
        let waiting = Waiting {
            memory,
            match_info: Remote::Data.info(data as u32, code),
            synchronous: false,
        };
        let begun = self.dispatch(state, to, operation, waiting);
        if begun.is_err() {
            state.operations.remove(operation);
            state.beside.give_back(name, code);
        }
        begun.map(|()| code)
    }

    fn await_taken(&self, state: &mut State) -> Result<(), i32> {
        let place = nothing()?;
        let (info, mask) = Remote::Taken.wanted(None);
        let key = state.part(Kind::Taken);
        let word = key.data().as_ffi();
        let begun = self.mx.0.irecv_from(place, info, mask, None, word);
        state.begun(key, begun)
    }

    /// A receiver has taken data from beside a message.
    pub(super) fn taken(&self, state: &mut State, status: &Status) {
        // Without memory for it one less is awaited; when none is, codes stay taken.
        let _ = self.await_taken(state);
        if let (Code::Success, Some(from)) = (status.code, status.address) {
            let (_, code) = Remote::parts(status.match_info);
            let name = Name {
                nic_id: from.nic_id,
                endpoint: from.endpoint,
            };
            state.beside.give_back(name, code);
        }
    }

    /// What a message says. `taken`: it will not be found again, and neither will what is beside it.
    pub(super) fn told(&self, state: &mut State, status: &Status, taken: bool) -> Told {
        let parts = self.layout.parts(status.match_info);
        let data = match parts.data {
            Data::None => None,
            Data::Here(data) => Some(data),
            Data::Beside(code) => self.beside(state, status, code, taken),
        };
        let tag = parts.tag;
        Told { tag, data }
    }

    /// The data beside a message. A sender that has sent none has a message without.
    fn beside(&self, state: &mut State, status: &Status, code: u32, taken: bool) -> Option<u64> {
        let from = status.address?;
        let (info, mask) = Remote::Data.wanted_code(code);
        let found = if taken {
            let (claim, found) = self.mx.0.claim(info, mask, Some(from)).ok()??;
            self.mx.0.discard_claimed(claim).ok()?;
            self.answer(state, from, Remote::Taken.info(0, code), None);
            found
        } else {
            self.mx.0.iprobe_from(info, mask, Some(from)).ok()??
        };
        let (data, _) = Remote::parts(found.match_info);
        Some(u64::from(data))
    }
}
