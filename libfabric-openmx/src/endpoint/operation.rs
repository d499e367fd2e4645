//! Operations under way.

use open_mx::{Memory, Request};

use crate::abi::completion::{Entry, Pointer};
use crate::abi::operations::IoVector;
use crate::memory::memory;

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
    /// What a send waits with until its peer is connected.
    pub waiting: Option<Waiting>,
    pub kind: Kind,
}

/// What it is.
#[derive(Debug)]
pub enum Kind {
    /// A connect to the peer of that number.
    Connect(u64),
    /// A send.
    Send,
    /// A receive into the memory that begins there.
    Receive(Pointer),
    /// A receive of several messages.
    Several(Several),
    /// A read of another process's memory, or a write.
    Read,
    Write,
    /// A message that belongs to one of these.
    Part(OperationKey),
    /// A receive of what peers have taken from beside their messages.
    Taken,
    /// A message of which nobody needs to hear.
    Alone,
    /// A receive of what others ask of this process's memory, into this.
    Request(Memory),
    /// A receive of what another process writes.
    Landing(Landing),
}

/// Who writes here.
#[derive(Clone, Copy, Debug)]
pub struct Landing {
    pub from: open_mx::Address,
    pub number: u32,
    /// What this process's completion is to say.
    pub data: Option<u64>,
    /// Why it may not; 0 when it may.
    pub refused: i32,
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
