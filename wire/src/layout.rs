//! The bytes of every header, field by field (wire.md §2 and §6). Nothing outside of this file knows an offset.
//!
//! Every integer is big-endian. Pads, and the fields that Open-MX leaves uninitialised, are sent as zero and never
//! read; a body starts with its type byte, at F+16 of the frame.

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// EtherType of Open-MX.
pub const ETHERTYPE: u16 = 0x86df;
/// Bytes before the body.
pub const ETHERNET: usize = size_of::<Ethernet>();
/// Bytes of the longest body, the native pull request.
pub const LONGEST_BODY: usize = size_of::<NativePull>();

/// Sender index while the sender does not know its index at the receiver.
pub const NO_INDEX: u16 = 0xffff;
/// Data length field of CONNECT and TRUC.
pub const CONTROL_DATA: u8 = 16;
/// Data length field of RNDV.
pub const RENDEZVOUS_DATA: u16 = 8;
/// Sub-type of a TRUC that carries an acknowledgement, the only one there is.
pub const TRUC_ACK: u8 = 0x55;
/// Log2 of the stride of medium fragments in MX-wire mode.
pub const PIPELINE: u8 = 12;

/// The type bytes (wire.md §5).
pub mod kind {
    pub const RAW: u8 = 1;
    pub const MAPPER_NIC_REPLY: u8 = 2;
    pub const HOST_QUERY: u8 = 3;
    pub const HOST_REPLY: u8 = 4;
    pub const ETHERNET_UNICAST: u8 = 32;
    pub const ETHERNET_NATIVE: u8 = 34;
    pub const TRUC: u8 = 35;
    pub const CONNECT: u8 = 36;
    pub const TINY: u8 = 37;
    pub const SMALL: u8 = 38;
    pub const MEDIUM: u8 = 39;
    pub const RNDV: u8 = 40;
    pub const PULL: u8 = 41;
    pub const PULL_REPLY: u8 = 42;
    pub const NOTIFY: u8 = 43;
    pub const NACK_LIB: u8 = 44;
    pub const NACK_MCP: u8 = 45;
}

/// Declares a header of fixed layout and pins its size.
macro_rules! header {
    ($(#[$doc:meta])* $name:ident: $size:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
        #[repr(C)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
        const _: () = assert!(size_of::<$name>() == $size);
    };
}

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
    /// HOST_QUERY, and HOST_REPLY before the name.
    Host: 16 {
        kind: u8,
        /// Bytes of the name with its NUL; a pad in the query.
        name_length: u8,
        sender_index: U16,
        pad4: [u8; 4],
        magic: U32,
        pad12: [u8; 4],
    }
}

header! {
    /// CONNECT.
    Connect: 32 {
        kind: u8,
        destination: u8,
        source: u8,
        generation: u8,
        data_length: u8,
        pad5: [u8; 3],
        seq: U16,
        sender_index: U16,
        pad12: [u8; 4],
        requester_session: U32,
        /// The request's application key; the reply's session.
        key_or_session: U32,
        next_expected: U16,
        is_reply: u8,
        connect_seqnum: u8,
        /// A pad in the request.
        status: u8,
        pad29: [u8; 3],
    }
}

header! {
    /// TINY, SMALL, and the first part of RNDV.
    Message: 24 {
        kind: u8,
        destination: u8,
        source: u8,
        generation: u8,
        data_length: U16,
        checksum: U16,
        seq: U16,
        ack: U16,
        match_info: U64,
        session: U32,
    }
}

header! {
    /// MEDIUM in both modes: the total is 32 bits, or 16 bits and a pad.
    Medium: 32 {
        kind: u8,
        destination: u8,
        source: u8,
        generation: u8,
        total: [u8; 4],
        seq: U16,
        ack: U16,
        match_info: U64,
        session: U32,
        length: U16,
        fragment: u8,
        /// A pad in native mode.
        pipeline: u8,
        checksum: U16,
        pad30: [u8; 2],
    }
}

header! {
    /// RNDV.
    Rendezvous: 32 {
        message: Message,
        total: U32,
        window: u8,
        window_seqnum: u8,
        window_offset: U16,
    }
}

header! {
    /// PULL, native.
    NativePull: 44 {
        kind: u8,
        destination: u8,
        source: u8,
        generation: u8,
        session: U32,
        total: U32,
        window: U32,
        window_seqnum: u8,
        pad17: [u8; 3],
        window_offset: U32,
        handle: U32,
        magic: U32,
        first_frame_offset: U32,
        block_length: U32,
        frame_index: U32,
    }
}

header! {
    /// PULL, MX-wire.
    MxWirePull: 32 {
        kind: u8,
        destination: u8,
        source: u8,
        generation: u8,
        session: U32,
        total: U32,
        window: u8,
        window_seqnum: u8,
        window_offset: U16,
        handle: U32,
        magic: U32,
        first_frame_offset: U16,
        block_length: U16,
        frame_index: U32,
    }
}

header! {
    /// PULL_REPLY.
    PullReply: 16 {
        kind: u8,
        frame_seqnum: u8,
        length: U16,
        message_offset: U32,
        handle: U32,
        magic: U32,
    }
}

header! {
    /// NOTIFY.
    Notify: 24 {
        kind: u8,
        destination: u8,
        source: u8,
        generation: u8,
        session: U32,
        transferred: U32,
        window: u8,
        window_seqnum: u8,
        pad14: [u8; 4],
        seq: U16,
        ack: U16,
        pad22: [u8; 2],
    }
}

header! {
    /// TRUC with an acknowledgement.
    Truc: 28 {
        kind: u8,
        destination: u8,
        source: u8,
        generation: u8,
        data_length: u8,
        pad5: [u8; 3],
        session: U32,
        subtype: u8,
        pad13: u8,
        ack: U16,
        /// Must equal `session`.
        acked_session: U32,
        ack_number: U32,
        /// Open-MX repeats the acknowledgement here and ignores it on receive.
        send_seq: U16,
        resent: u8,
        pad27: u8,
    }
}

header! {
    /// NACK_LIB.
    NackLib: 16 {
        kind: u8,
        /// The endpoint that could not be reached.
        source: u8,
        generation: u8,
        code: u8,
        pad4: [u8; 5],
        destination: u8,
        /// The Ethernet header's, repeated.
        sender_index: U16,
        seq: U16,
        pad14: [u8; 2],
    }
}

header! {
    /// NACK_MCP.
    NackMcp: 16 {
        kind: u8,
        source: u8,
        generation: u8,
        code: u8,
        pad4: [u8; 4],
        handle: U32,
        magic: U32,
    }
}
