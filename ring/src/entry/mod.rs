//! How a command or an event lies in memory: 64 bytes, one cache line, little-endian.
//!
//! ```text
//!  0  kind     1  endpoint   2  peer (16)       4  session or value (32)
//!  8  seq (16)              10  ack (16)       12  length (16)  14  fragment  15  flags
//! 16  match info (64)       24  total (32)     28  payload, or fields of the kind (32 bytes)
//! 60  lap (32)
//! ```
//! The lap word is written last: it is the turn of the ring to which the entry belongs, so that a reader sees
//! a new entry and its payload by touching one line.

mod command;
mod event;
#[cfg(test)]
mod golden;

use crate::message::{Destination, Origin};

/// An entry in private memory. It has no meaning before [`Entry::command`] or [`Entry::event`] has checked it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, align(64))]
pub struct Entry {
    pub(crate) bytes: [u8; Self::SIZE],
}

/// What is wrong with an entry that the other side wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryError {
    /// No such kind in this queue.
    UnknownKind(u8),
    /// A length is larger than its place.
    LengthOutOfRange(u32),
}

impl core::fmt::Display for EntryError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::UnknownKind(kind) => write!(f, "an entry of unknown kind {kind:#04x}"),
            Self::LengthOutOfRange(length) => {
                write!(
                    f,
                    "an entry whose length of {length} bytes does not fit its place"
                )
            }
        }
    }
}

impl core::error::Error for EntryError {}

const CONNECT_REQUEST: u8 = 0x11;
const CONNECT_REPLY: u8 = 0x12;
const TINY: u8 = 0x13;
const SMALL: u8 = 0x14;
const MEDIUM: u8 = 0x15;
const RENDEZVOUS: u8 = 0x16;
const NOTIFY: u8 = 0x17;
const ACK: u8 = 0x18;
const NACK: u8 = 0x19;
const WANTED: u8 = 0x1a;
const PULL: u8 = 0x20;
const PULL_DONE: u8 = 0x21;
const ABORT_PULL: u8 = 0x22;
const LEAVE: u8 = 0x23;

const FLAG_LOCAL: u8 = 1;
const BODY: usize = 28;

impl Entry {
    /// Bytes of an entry.
    pub const SIZE: usize = 64;
    /// Where the lap word lies.
    pub(crate) const LAP: usize = 60;

    /// An entry of zeros, for the caller to fill.
    pub const fn zeroed() -> Self {
        Self {
            bytes: [0; Self::SIZE],
        }
    }

    fn put(&mut self, at: usize, value: &[u8]) {
        self.bytes[at..at + value.len()].copy_from_slice(value);
    }
    fn put16(&mut self, at: usize, value: u16) {
        self.put(at, &value.to_le_bytes());
    }
    fn put32(&mut self, at: usize, value: u32) {
        self.put(at, &value.to_le_bytes());
    }
    fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut value = [0; N];
        value.copy_from_slice(&self.bytes[at..at + N]);
        value
    }
    fn get16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.get(at))
    }
    fn get32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.get(at))
    }
    fn match_info(&self) -> u64 {
        u64::from_le_bytes(self.get(16))
    }

    fn start(kind: u8, peer: u16, endpoint: u8, session: u32) -> Self {
        let mut entry = Self::zeroed();
        entry.bytes[0] = kind;
        entry.bytes[1] = endpoint;
        entry.put16(2, peer);
        entry.put32(4, session);
        entry
    }

    fn to(kind: u8, to: Destination) -> Self {
        Self::start(kind, to.peer, to.endpoint, to.session)
    }

    fn from(kind: u8, from: Origin, session: u32) -> Self {
        let mut entry = Self::start(kind, from.peer, from.endpoint, session);
        entry.bytes[15] = if from.local { FLAG_LOCAL } else { 0 };
        entry
    }

    fn sequenced(mut self, seq: u16, ack: u16, match_info: u64, length: u16, total: u32) -> Self {
        self.put16(8, seq);
        self.put16(10, ack);
        self.put16(12, length);
        self.put(16, &match_info.to_le_bytes());
        self.put32(24, total);
        self
    }
}

fn bounded(length: u16, max: u8) -> Result<u8, EntryError> {
    match u8::try_from(length) {
        Ok(length) if length <= max => Ok(length),
        _ => Err(EntryError::LengthOutOfRange(length.into())),
    }
}
