//! A whole frame as a value.

use crate::{MacAddress, Packet};

/// A frame: addresses, packet, payload. Obtained by [`Frame::parse`], or written down and [emitted](Frame::emit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Where it goes. A group only for RAW.
    pub destination: MacAddress,
    /// Where it comes from. Never a group.
    pub source: MacAddress,
    /// F+14: the sender's index in the receiver's peer table, `None` (0xffff) while the sender does not know it. The
    /// receiver ignores it in RAW, HOST_QUERY, HOST_REPLY, CONNECT and PULL_REPLY, where 0 is what Open-MX may send.
    pub sender_index: Option<u16>,
    /// The body.
    pub packet: Packet,
    /// What follows the body, without padding: data of TINY, SMALL, MEDIUM and PULL_REPLY, the name of HOST_REPLY
    /// without its NUL, all the rest of a RAW frame (padding included). Empty otherwise.
    pub payload: &'a [u8],
}
