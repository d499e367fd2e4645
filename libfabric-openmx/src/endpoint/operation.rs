//! Operations under way.

use core::ptr::NonNull;

use mx_ring::VolatileSlice;
use open_mx::{Memory, Request};

use crate::abi::completion::{Entry, Pointer};
use crate::abi::flags::code;
use crate::abi::operations::IoVector;

/// Parts of a message at most.
pub const PARTS_MAX: usize = 8;

/// The number of an operation, which the library hands back with its completion.
pub type OperationKey = slotmap::DefaultKey;

/// An operation under way.
#[derive(Debug)]
pub struct Operation {
    /// What the application calls it.
    pub context: Pointer,
    /// What its completion says of its kind.
    pub flags: u64,
    /// Whether its completion is wanted.
    pub told: bool,
    /// What the library calls it, once it does.
    pub request: Option<Request>,
    pub kind: Kind,
}

/// What it is.
#[derive(Debug)]
pub enum Kind {
    /// A connect to the peer of that number.
    Connect(u64),
    /// A send; what it waits with until its peer is connected.
    Send(Option<Waiting>),
    /// A receive into the memory that begins there.
    Receive(Pointer),
    /// A receive of several messages.
    Several(Several),
}

/// A send whose peer is not connected yet.
#[derive(Debug)]
pub struct Waiting {
    pub memory: Memory,
    pub match_info: u64,
    pub synchronous: bool,
}

/// The memory of a receive of several messages.
#[derive(Clone, Copy, Debug)]
pub struct Several {
    pub base: Pointer,
    pub length: usize,
    /// Bytes that messages have.
    pub used: usize,
    /// What its messages are asked for by.
    pub match_info: u64,
    pub mask: u64,
    pub from: Option<open_mx::Address>,
}

impl Several {
    /// The room behind the last message, and how much of it there is for one.
    pub fn room(&self) -> Result<Memory, i32> {
        let part = IoVector {
            base: self.base.0.wrapping_byte_add(self.used),
            length: self.length - self.used,
        };
        // SAFETY: its caller has promised the whole of it until the last completion.
        unsafe { memory(&[part]) }
    }
}

impl Operation {
    /// Its completion, which says this of its message.
    pub fn entry(&self, length: usize, buffer: Pointer, tag: u64, data: u64) -> Entry {
        Entry {
            context: self.context,
            flags: self.flags,
            length,
            buffer,
            data,
            tag,
        }
    }
}

/// The memory of a message.
///
/// # Safety
/// Each part is memory of the application that is left alone, and mapped, until its operation is complete.
pub unsafe fn memory(parts: &[IoVector]) -> Result<Memory, i32> {
    let span = |part: &IoVector| {
        let base = match NonNull::new(part.base.cast::<u8>()) {
            Some(base) => base,
            None if part.length == 0 => NonNull::dangling(),
            None => return Err(code::EINVAL),
        };
        // SAFETY: promised by the caller.
        Ok(unsafe { VolatileSlice::new(base, part.length) })
    };
    let memory = match parts {
        [part] => Memory::new(span(part)?),
        parts if parts.len() <= PARTS_MAX => {
            Memory::several(parts.iter().map(span).collect::<Result<_, _>>()?)
        }
        _ => return Err(code::EINVAL),
    };
    memory.map_err(|_| code::EMSGSIZE)
}
