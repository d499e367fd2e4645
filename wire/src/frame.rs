//! A whole frame as a value.

use core::fmt;

use crate::{Beacon, MacAddress, Packet, ParseError};

/// A frame: addresses, packet, payload. Obtained by [`Frame::parse`], or written down and [emitted](Frame::emit).
///
/// [`Display`](fmt::Display) writes one line that names every field, as tcpdump does, without the payload's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Where it goes. A group only for RAW.
    pub destination: MacAddress,
    /// Where it comes from. Never a group.
    pub source: MacAddress,
    /// F+14: the sender's index in the receiver's peer table, `None` (0xffff) while the sender does not know it. The
    /// receiver ignores it in RAW, HOST_QUERY, HOST_REPLY, CONNECT and PULL_REPLY, where 0 is what Open-MX may send.
    pub sender_index: Option<u16>,
    /// What the frame says, behind its header.
    pub packet: Packet,
    /// What follows the body, without padding: data of TINY, SMALL, MEDIUM and PULL_REPLY, the name of HOST_REPLY
    /// without its NUL, all the rest of a RAW frame (padding included). Empty otherwise.
    pub payload: &'a [u8],
}

/// What a receiver demands of the addresses of a frame, RAW or not.
#[inline]
pub(crate) fn check_addresses(
    is_raw: bool,
    destination: MacAddress,
    source: MacAddress,
) -> Result<(), ParseError> {
    if source.is_group() {
        return Err(ParseError::GroupSource(source));
    }
    if destination.is_group() && !is_raw {
        return Err(ParseError::GroupDestination(destination));
    }
    Ok(())
}

impl fmt::Display for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}", self.source, self.destination)?;
        if let Some(index) = self.sender_index {
            write!(f, " index {index}")?;
        }
        write!(f, ": {}", self.packet)?;
        match self.packet {
            Packet::Raw => {
                write!(f, " length {}", self.payload.len())?;
                match Beacon::parse(self.payload) {
                    Some(beacon) => write!(f, ", {beacon}"),
                    None => Ok(()),
                }
            }
            Packet::HostReply(_) => write!(f, ", name {}", self.payload.escape_ascii()),
            _ => Ok(()),
        }
    }
}
