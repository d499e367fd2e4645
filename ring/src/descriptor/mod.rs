//! How a command or an event lies in memory: 64 bytes, one cache line, little-endian.
//!
//! ```text
//!  0  kind     1  endpoint   2  peer (16)       4  session or value (32)
//!  8  seq (16)              10  ack (16)       12  length (16)  14  fragment  15  flags
//! 16  match info (64)       24  total (32)     28  payload, or fields of the kind (32 bytes)
//! 60  lap (32)
//! ```
//! The lap word is written last: it is the turn of the ring to which the descriptor belongs, so that a reader sees
//! a new entry and its payload by touching one line.

mod command;
mod event;
mod message;

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::message::{Destination, Origin};

/// A descriptor in private memory. It has no meaning before [`Descriptor::command`] or [`Descriptor::event`] has checked it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
pub struct Descriptor {
    kind: u8,
    endpoint: u8,
    peer: U16,
    /// Session, or a value of the kind.
    session: U32,
    seq: U16,
    ack: U16,
    length: U16,
    fragment: u8,
    flags: u8,
    match_info: U64,
    total: U32,
    payload: [u8; Self::PAYLOAD],
    /// Not this type's affair.
    lap: U32,
}

const _: () =
    assert!(size_of::<Descriptor>() == Descriptor::SIZE && Descriptor::LAP + 4 == Descriptor::SIZE);

/// What is wrong with a descriptor that the other side wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// No such kind in this queue.
    #[error("an entry of unknown kind {0:#04x}")]
    UnknownKind(u8),
    /// A length is larger than its place.
    #[error("an entry whose length of {0} bytes does not fit its place")]
    LengthOutOfRange(u32),
}

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

/// Declares what some kind has in the place of a payload: fields, and how many bytes behind them are zero.
macro_rules! fields {
    ($(#[$doc:meta])* $name:ident, $pad:literal: { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(
            zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout,
        )]
        #[repr(C)]
        struct $name { $($(#[$field_doc])* $field: $type,)* pad: [u8; $pad] }
        const _: () = assert!(size_of::<$name>() == Descriptor::PAYLOAD);
    };
}
use fields;

impl Descriptor {
    /// Bytes of a descriptor.
    pub const SIZE: usize = 64;
    /// Where the lap word lies.
    pub(crate) const LAP: usize = 60;
    /// Bytes for a payload, or fields of the kind.
    const PAYLOAD: usize = 32;

    /// A descriptor of zeros, for the caller to fill.
    pub const fn zeroed() -> Self {
        Self {
            kind: 0,
            endpoint: 0,
            peer: U16::ZERO,
            session: U32::ZERO,
            seq: U16::ZERO,
            ack: U16::ZERO,
            length: U16::ZERO,
            fragment: 0,
            flags: 0,
            match_info: U64::ZERO,
            total: U32::ZERO,
            payload: [0; Self::PAYLOAD],
            lap: U32::ZERO,
        }
    }

    fn to(to: Destination) -> Self {
        Self {
            endpoint: to.endpoint,
            peer: to.peer.into(),
            session: to.session.into(),
            ..Self::zeroed()
        }
    }

    fn from(from: Origin) -> Self {
        Self {
            endpoint: from.endpoint,
            peer: from.peer.into(),
            flags: if from.local { FLAG_LOCAL } else { 0 },
            ..Self::zeroed()
        }
    }
}
