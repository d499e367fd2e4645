//! The bodies of the packet types, without their payloads (wire.md §6). Indices, sessions and sequence numbers are
//! plain numbers here: what they mean is the board's and the library's affair.

use crate::Format;

/// The two endpoints of a packet, as numbered by their boards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ends {
    /// The endpoint the packet is for.
    pub destination: u8,
    /// The endpoint it comes from.
    pub source: u8,
}

/// HOST_QUERY (3): "what is your name?"
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostQuery {
    /// The sender's index for the destination; the receiver's reverse index from now on.
    pub sender_index: u16,
    /// Echoed by the reply; [`HostQuery::FIRST_MAGIC`] at first.
    pub magic: u32,
}

impl HostQuery {
    /// The magic before any "clear peer names".
    pub const FIRST_MAGIC: u32 = 0x1305_2008;
}

/// HOST_REPLY (4). The payload is the name without its final NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostReply {
    /// The replier's index for the querier.
    pub sender_index: u16,
    /// The query's magic.
    pub magic: u32,
}

/// CONNECT (36) of either kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connect {
    /// From the connector.
    Request(ConnectRequest),
    /// Back to it.
    Reply(ConnectReply),
}

/// CONNECT, request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectRequest {
    /// Both endpoints.
    pub ends: Ends,
    /// The sender's index for the destination.
    pub sender_index: u16,
    /// The connector's session.
    pub session: u32,
    /// The application's key.
    pub key: u32,
    /// The sequence number that the sender of this packet expects next.
    pub next_expected: u16,
    /// Counts the connects of a partner.
    pub connect_seqnum: u8,
}

/// CONNECT, reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectReply {
    /// Both endpoints.
    pub ends: Ends,
    /// The sender's index for the destination.
    pub sender_index: u16,
    /// The connector's session, echoed.
    pub requester_session: u32,
    /// The responder's session.
    pub session: u32,
    /// The sequence number that the sender of this packet expects next.
    pub next_expected: u16,
    /// The request's, echoed.
    pub connect_seqnum: u8,
    /// 0, or 11 for a wrong key.
    pub status: u8,
}

/// The header of TINY (37) and SMALL (38); the payload follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Both endpoints.
    pub ends: Ends,
    /// Payload bytes: up to 32 (TINY) or 128 (SMALL).
    pub length: u16,
    /// The library's sequence number.
    pub seq: u16,
    /// Piggybacked acknowledgement.
    pub ack: u16,
    /// Match info.
    pub match_info: u64,
    /// Session of the destination endpoint.
    pub session: u32,
}

/// One fragment of a MEDIUM (39); the payload follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Medium {
    /// Both endpoints.
    pub ends: Ends,
    /// Bytes of the whole message.
    pub total: u32,
    /// The library's sequence number, the same in all fragments.
    pub seq: u16,
    /// Piggybacked acknowledgement.
    pub ack: u16,
    /// Match info.
    pub match_info: u64,
    /// Session of the destination endpoint.
    pub session: u32,
    /// Payload bytes of this fragment.
    pub length: u16,
    /// Which fragment: its offset is this times M.
    pub fragment: u8,
}

impl Medium {
    /// Where the fragment belongs in the message. A parsed fragment ends within [`Medium::total`].
    pub const fn offset(&self, format: &Format) -> u32 {
        self.fragment as u32 * format.medium_fragment() as u32
    }
}

/// RNDV (40): a large message is ready to be pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rendezvous {
    /// Both endpoints.
    pub ends: Ends,
    /// The library's sequence number.
    pub seq: u16,
    /// Piggybacked acknowledgement.
    pub ack: u16,
    /// Match info.
    pub match_info: u64,
    /// Session of the destination endpoint.
    pub session: u32,
    /// Bytes of the message.
    pub total: u32,
    /// The sender's window.
    pub window: u8,
    /// Counts the uses of that window.
    pub window_seqnum: u8,
    /// Where the message starts in the window.
    pub window_offset: u16,
}

/// PULL (41): "send me this block of your window".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pull {
    /// Both endpoints; the destination owns the window.
    pub ends: Ends,
    /// Session of the destination endpoint.
    pub session: u32,
    /// Bytes of the whole pull; informational.
    pub total: u32,
    /// Window id. Native sends 32 bits; a window above 255 does not exist.
    pub window: u32,
    /// The window's use as the RNDV named it.
    pub window_seqnum: u8,
    /// Where the message starts in the window.
    pub window_offset: u32,
    /// The puller's handle, opaque to the replier.
    pub handle: u32,
    /// The puller's endpoint XOR [`Pull::MAGIC`].
    pub magic: u32,
    /// Offset inside the block's first frame.
    pub first_frame_offset: u32,
    /// Bytes of the block.
    pub block_length: u32,
    /// Index of the block's first frame in the message.
    pub frame_index: u32,
}

impl Pull {
    /// XORed with the endpoint index it gives the magic.
    pub const MAGIC: u32 = 0x2107_1980;
}

/// PULL_REPLY (42); the payload follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullReply {
    /// The frame's index in the message, modulo 256.
    pub frame_seqnum: u8,
    /// Payload bytes.
    pub length: u16,
    /// Where the payload belongs in the message.
    pub message_offset: u32,
    /// The puller's handle, echoed.
    pub handle: u32,
    /// The puller's magic, echoed.
    pub magic: u32,
}

/// NOTIFY (43): a large message has been pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notify {
    /// Both endpoints; the destination sent the large message.
    pub ends: Ends,
    /// Session of the destination endpoint.
    pub session: u32,
    /// Bytes transferred; 0 if the pull failed or the message was discarded.
    pub transferred: u32,
    /// Window of the RNDV.
    pub window: u8,
    /// Window seqnum of the RNDV.
    pub window_seqnum: u8,
    /// The library's sequence number.
    pub seq: u16,
    /// Piggybacked acknowledgement.
    pub ack: u16,
}

/// TRUC (35), sub-type ack: an explicit acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LibAck {
    /// Both endpoints.
    pub ends: Ends,
    /// Session of the destination endpoint.
    pub session: u32,
    /// The next sequence number expected, cumulative.
    pub ack: u16,
    /// Counts the explicit acks of a partner, from 1.
    pub ack_number: u32,
}

/// NACK_LIB (44): a packet of the library could not be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NackLib {
    /// `source` is the endpoint that could not be reached, `destination` the one that tried.
    pub ends: Ends,
    /// 1 bad endpoint, 2 endpoint closed, 3 bad session.
    pub code: u8,
    /// Sequence number of the packet that was refused; 0 for CONNECT.
    pub seq: u16,
}

impl NackLib {
    /// Codes go from 1 to this. A received code beyond is clamped.
    pub const LAST_CODE: u8 = 3;
}

/// NACK_MCP (45): a pull was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NackMcp {
    /// The puller's endpoint; ignored on receive.
    pub source: u8,
    /// 1 bad endpoint, 2 endpoint closed, 3 bad session, 4 bad window.
    pub code: u8,
    /// The puller's handle, echoed.
    pub handle: u32,
    /// The puller's magic, echoed.
    pub magic: u32,
}

impl NackMcp {
    /// Codes go from 1 to this. A received code beyond is clamped.
    pub const LAST_CODE: u8 = 4;
}

/// Any packet, without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet {
    /// RAW (1): opaque; the payload is all that follows the type byte.
    Raw,
    /// HOST_QUERY (3).
    HostQuery(HostQuery),
    /// HOST_REPLY (4).
    HostReply(HostReply),
    /// TRUC (35), ack.
    LibAck(LibAck),
    /// CONNECT (36).
    Connect(Connect),
    /// TINY (37).
    Tiny(Message),
    /// SMALL (38).
    Small(Message),
    /// MEDIUM (39).
    Medium(Medium),
    /// RNDV (40).
    Rendezvous(Rendezvous),
    /// PULL (41).
    Pull(Pull),
    /// PULL_REPLY (42).
    PullReply(PullReply),
    /// NOTIFY (43).
    Notify(Notify),
    /// NACK_LIB (44).
    NackLib(NackLib),
    /// NACK_MCP (45).
    NackMcp(NackMcp),
}
