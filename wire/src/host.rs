//! HOST_QUERY and HOST_REPLY: the names of boards (wire.md §6.2, §6.3).

use core::fmt;

use zerocopy::big_endian::{U16, U32};

use crate::envelope::Envelope;
use crate::header::{announced, header, kind, split};
use crate::{Frame, Packet, ParseError};

/// Bytes of a host name at most, its NUL included.
pub const HOST_NAME_MAX: usize = 80;

/// HOST_QUERY (3): "what is your name?"
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostQuery {
    /// The sender's index for the destination; the receiver's reverse index from now on.
    pub sender_index: u16,
    /// Echoed by the reply; [`HostQuery::FIRST_MAGIC`] at first.
    pub magic: u32,
}

/// HOST_REPLY (4). The payload is the name without its final NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostReply {
    /// The replier's index for the querier.
    pub sender_index: u16,
    /// The query's magic.
    pub magic: u32,
}

header! {
    /// HOST_QUERY, and HOST_REPLY before the name.
    Layout: 16 {
        kind: u8,
        /// Bytes of the name with its NUL; a pad in the query.
        name_length: u8,
        sender_index: U16,
        pad4: [u8; 4],
        magic: U32,
        pad12: [u8; 4],
    }
}

fn layout(kind: u8, name_length: u8, sender_index: u16, magic: u32) -> Layout {
    Layout {
        kind,
        name_length,
        sender_index: sender_index.into(),
        pad4: [0; 4],
        magic: magic.into(),
        pad12: [0; 4],
    }
}

impl HostQuery {
    /// The magic before any "clear peer names".
    pub const FIRST_MAGIC: u32 = 0x1305_2008;

    pub(crate) fn parse(frame: Envelope, body: &[u8]) -> Result<Frame<'_>, ParseError> {
        let (h, _): (&Layout, _) = split(body)?;
        let query = Self {
            sender_index: h.sender_index.get(),
            magic: h.magic.get(),
        };
        frame.of(Packet::HostQuery(query), &[])
    }

    pub(crate) fn layout(&self) -> Layout {
        layout(kind::HOST_QUERY, 0, self.sender_index, self.magic)
    }
}

impl HostReply {
    pub(crate) fn parse(frame: Envelope, body: &[u8]) -> Result<Frame<'_>, ParseError> {
        let (h, rest): (&Layout, _) = split(body)?;
        let reply = Self {
            sender_index: h.sender_index.get(),
            magic: h.magic.get(),
        };
        let with_nul = usize::from(h.name_length);
        check(with_nul)?;
        // Whatever the last byte is, it stands for the NUL.
        let name = match announced(rest, with_nul)? {
            [name @ .., _] => name,
            [] => &[],
        };
        frame.of(Packet::HostReply(reply), name)
    }

    /// For a name of that length without its NUL.
    pub(crate) fn layout(&self, name: usize) -> Result<Layout, ParseError> {
        let with_nul = check(name.saturating_add(1))?;
        Ok(layout(
            kind::HOST_REPLY,
            with_nul,
            self.sender_index,
            self.magic,
        ))
    }
}

/// The length counts the NUL.
fn check(length: usize) -> Result<u8, ParseError> {
    if !(1..=HOST_NAME_MAX).contains(&length) {
        return Err(ParseError::DataLength {
            kind: kind::HOST_REPLY,
            length,
        });
    }
    Ok(length as u8)
}

impl fmt::Display for HostQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peer {}, magic {:08x}", self.sender_index, self.magic)
    }
}

impl fmt::Display for HostReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peer {}, magic {:08x}", self.sender_index, self.magic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::*;

    #[test]
    fn query() {
        let query = Packet::HostQuery(HostQuery {
            sender_index: 3,
            magic: HostQuery::FIRST_MAGIC,
        });
        let frame = Frame {
            sender_index: Some(0),
            ..a_to_b(query, &[])
        };
        is_both_ways(
            native(),
            frame,
            "02 00 00 00 0b 02 02 00 00 00 0a 01 86 df 00 00
             03 00 00 03 00 00 00 00 13 05 20 08",
            "02:00:00:00:0a:01 > 02:00:00:00:0b:02 index 0: HOST_QUERY peer 3, magic 13052008",
        );
    }

    #[test]
    fn reply() {
        let reply = Packet::HostReply(HostReply {
            sender_index: 7,
            magic: HostQuery::FIRST_MAGIC,
        });
        let frame = Frame {
            sender_index: Some(0),
            ..b_to_a(reply, b"nodeB:0")
        };
        is_both_ways(
            native(),
            frame,
            "02 00 00 00 0a 01 02 00 00 00 0b 02 86 df 00 00
             04 08 00 07 00 00 00 00 13 05 20 08 00 00 00 00
             6e 6f 64 65 42 3a 30 00 00 00 00 00 00 00 00 00
             00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
             00 00 00 00",
            "02:00:00:00:0b:02 > 02:00:00:00:0a:01 index 0: HOST_REPLY peer 7, magic 13052008, name nodeB:0",
        );
    }
}
