//! How the headers of all frames are declared: in big-endian integers, of pinned size (wire.md §2).
//!
//! Pads, and the fields that Open-MX leaves uninitialised, are sent as zero and never read; a body starts with its type
//! byte, at F+16 of the frame.

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::{Ends, ParseError};

/// EtherType of Open-MX.
pub const ETHERTYPE: u16 = 0x86df;
/// Bytes before the body.
pub(crate) const ETHERNET: usize = size_of::<Ethernet>();
/// Sender index while the sender does not know its index at the receiver.
pub(crate) const NO_INDEX: u16 = 0xffff;

/// Declares the type bytes, and for tests all of them with their names.
macro_rules! kinds {
    ($($name:ident = $byte:literal,)*) => {
        $(pub const $name: u8 = $byte;)*
        #[cfg(test)]
        pub const ALL: &[(&str, u8)] = &[$((stringify!($name), $byte),)*];
    };
}

/// The type bytes (wire.md §5).
pub(crate) mod kind {
    kinds! {
        RAW = 1,
        MAPPER_NIC_REPLY = 2,
        HOST_QUERY = 3,
        HOST_REPLY = 4,
        ETHERNET_UNICAST = 32,
        ETHERNET_MULTICAST = 33,
        ETHERNET_NATIVE = 34,
        TRUC = 35,
        CONNECT = 36,
        TINY = 37,
        SMALL = 38,
        MEDIUM = 39,
        RNDV = 40,
        PULL = 41,
        PULL_REPLY = 42,
        NOTIFY = 43,
        NACK_LIB = 44,
        NACK_MCP = 45,
    }
}

/// Declares a header of fixed layout and pins its size; for tests, the dissector's not least, with a table of its fields.
macro_rules! header {
    ($(#[$doc:meta])* $name:ident: $size:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(
            zerocopy::FromBytes,
            zerocopy::IntoBytes,
            zerocopy::Immutable,
            zerocopy::KnownLayout,
            zerocopy::Unaligned,
        )]
        #[repr(C)]
        pub(crate) struct $name { $($(#[$field_doc])* pub $field: $type,)* }
        const _: () = assert!(size_of::<$name>() == $size);
        #[cfg(test)]
        impl $name {
            /// Name, offset and size of each field.
            pub const FIELDS: &'static [(&'static str, usize, usize)] = &[$((
                stringify!($field),
                core::mem::offset_of!(Self, $field),
                size_of::<$type>(),
            ),)*];
        }
    };
}
pub(crate) use header;

header! {
    /// F+0 to F+15, before every body.
    Ethernet: 16 {
        destination: [u8; 6],
        source: [u8; 6],
        ethertype: U16,
        sender_index: U16,
    }
}

header! {
    /// What the bodies between two endpoints begin with.
    Start: 4 {
        kind: u8,
        destination: u8,
        source: u8,
        generation: u8,
    }
}

impl Start {
    #[inline]
    pub fn new(kind: u8, ends: Ends) -> Self {
        Self {
            kind,
            destination: ends.destination,
            source: ends.source,
            generation: 0,
        }
    }

    #[inline]
    pub fn ends(&self) -> Ends {
        Ends {
            destination: self.destination,
            source: self.source,
        }
    }
}

header! {
    /// What TINY, SMALL, MEDIUM and RNDV have in common.
    Matching: 16 {
        seq: U16,
        ack: U16,
        match_info: U64,
        session: U32,
    }
}

/// Data length field of CONNECT and TRUC.
pub(crate) const CONTROL_DATA: u8 = 16;

/// The data length of CONNECT and TRUC: more than needed is allowed, and ignored.
pub(crate) fn control_data(kind: u8, length: u8) -> Result<(), ParseError> {
    if length < CONTROL_DATA {
        return Err(ParseError::DataLength {
            kind,
            length: usize::from(length),
        });
    }
    Ok(())
}

/// Refuses a length that a packet type does not allow.
#[inline]
pub(crate) fn at_most(kind: u8, length: u16, max: u16) -> Result<(), ParseError> {
    if length > max {
        return Err(ParseError::DataLength {
            kind,
            length: usize::from(length),
        });
    }
    Ok(())
}

/// Takes a body's header off the bytes behind the Ethernet header.
#[inline]
pub(crate) fn split<T: FromBytes + Immutable + KnownLayout + Unaligned>(
    body: &[u8],
) -> Result<(&T, &[u8]), ParseError> {
    split_at(body, ETHERNET)
}

/// Takes a header off `bytes`, which begin at `offset` of the frame.
#[inline]
pub(crate) fn split_at<T: FromBytes + Immutable + KnownLayout + Unaligned>(
    bytes: &[u8],
    offset: usize,
) -> Result<(&T, &[u8]), ParseError> {
    T::ref_from_prefix(bytes).map_err(|_| ParseError::HeaderTruncated {
        needed: offset + size_of::<T>(),
        length: offset + bytes.len(),
    })
}

/// The announced part of what follows a header.
#[inline]
pub(crate) fn announced(rest: &[u8], length: usize) -> Result<&[u8], ParseError> {
    rest.get(..length).ok_or(ParseError::PayloadTruncated {
        announced: length,
        present: rest.len(),
    })
}
