//! NACK_LIB and NACK_MCP: a packet was refused (wire.md §6.12, §6.13).

use core::fmt;

use zerocopy::big_endian::{U16, U32};

use crate::envelope::Envelope;
use crate::header::{header, kind, split};
use crate::{Ends, Frame, Packet, ParseError};

/// Why a packet was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum NackCode {
    /// No board has an endpoint of that number.
    BadEndpoint = 1,
    /// The endpoint is not open.
    EndpointClosed = 2,
    /// It is open, in another session.
    BadSession = 3,
    /// A pull of a window that there is not. Only a NACK_MCP says so.
    BadWindow = 4,
}

impl NackCode {
    /// All codes.
    pub const ALL: [Self; 4] = [
        Self::BadEndpoint,
        Self::EndpointClosed,
        Self::BadSession,
        Self::BadWindow,
    ];

    /// The code of that number, if there is one.
    pub fn from_byte(byte: u8) -> Option<Self> {
        let index = usize::from(byte).checked_sub(1)?;
        Self::ALL.get(index).copied()
    }

    /// The code of a received number: of one that does not exist, the nearest that does.
    fn nearest(byte: u8, last: Self) -> Self {
        Self::from_byte(byte.clamp(1, last as u8)).unwrap_or(last)
    }
}

/// NACK_LIB (44): a packet of the library could not be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NackLib {
    /// Why.
    pub code: NackCode,
    /// Sequence number of the packet that was refused; 0 for CONNECT.
    pub seq: u16,
}

header! {
    /// NACK_LIB.
    Lib: 16 {
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

impl NackLib {
    /// The last code of this type.
    pub const LAST_CODE: NackCode = NackCode::BadSession;

    /// A refusal as it was received: a code that does not exist is taken for the nearest that does.
    fn received(code: u8, seq: u16) -> Self {
        Self {
            code: NackCode::nearest(code, Self::LAST_CODE),
            seq,
        }
    }

    pub(crate) fn parse(frame: Envelope, body: &[u8]) -> Result<Frame<'_>, ParseError> {
        let (h, _): (&Lib, _) = split(body)?;
        let packet = Packet::NackLib {
            ends: Ends {
                destination: h.destination,
                source: h.source,
            },
            nack: Self::received(h.code, h.seq.get()),
        };
        frame.of(packet, &[])
    }

    /// The packet repeats the sender index of the Ethernet header.
    pub(crate) fn layout(&self, ends: Ends, sender_index: U16) -> Lib {
        Lib {
            kind: kind::NACK_LIB,
            source: ends.source,
            generation: 0,
            code: self.code as u8,
            pad4: [0; 5],
            destination: ends.destination,
            sender_index,
            seq: self.seq.into(),
            pad14: [0; 2],
        }
    }
}

/// NACK_MCP (45): a pull was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NackMcp {
    /// The puller's endpoint; ignored on receive.
    pub source: u8,
    /// Why.
    pub code: NackCode,
    /// The puller's handle, echoed.
    pub handle: u32,
    /// The puller's magic, echoed.
    pub magic: u32,
}

header! {
    /// NACK_MCP.
    Mcp: 16 {
        kind: u8,
        source: u8,
        generation: u8,
        code: u8,
        pad4: [u8; 4],
        handle: U32,
        magic: U32,
    }
}

impl NackMcp {
    pub(crate) fn parse(frame: Envelope, body: &[u8]) -> Result<Frame<'_>, ParseError> {
        let (h, _): (&Mcp, _) = split(body)?;
        let nack = Self {
            source: h.source,
            code: NackCode::nearest(h.code, NackCode::BadWindow),
            handle: h.handle.get(),
            magic: h.magic.get(),
        };
        frame.of(Packet::NackMcp(nack), &[])
    }

    pub(crate) fn layout(&self) -> Mcp {
        Mcp {
            kind: kind::NACK_MCP,
            source: self.source,
            generation: 0,
            code: self.code as u8,
            pad4: [0; 4],
            handle: self.handle.into(),
            magic: self.magic.into(),
        }
    }
}

impl fmt::Display for NackCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadEndpoint => "bad endpoint",
            Self::EndpointClosed => "endpoint closed",
            Self::BadSession => "bad session",
            Self::BadWindow => "bad window",
        })
    }
}

impl fmt::Display for NackLib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, seq {}", self.code, self.seq)
    }
}

impl fmt::Display for NackMcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, from {}, handle {:08x}, magic {:08x}",
            self.code, self.source, self.handle, self.magic
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pull;
    use crate::example::*;

    #[test]
    fn nack_lib() {
        let packet = Packet::NackLib {
            ends: B_TO_A,
            nack: NackLib {
                code: NackCode::BadSession,
                seq: 1,
            },
        };
        is_both_ways(
            native(),
            b_to_a(packet, &[]),
            "02 00 00 00 0a 01 02 00 00 00 0b 02 86 df 00 03
             2c 02 00 03 00 00 00 00 00 01 00 03 00 01 00 00",
            "02:00:00:00:0b:02 > 02:00:00:00:0a:01 index 3: NACK_LIB 2 > 1, bad session, seq 1",
        );
    }

    #[test]
    fn nack_mcp() {
        let packet = Packet::NackMcp(NackMcp {
            source: 2,
            code: NackCode::BadWindow,
            handle: 0x23,
            magic: Pull::MAGIC ^ 2,
        });
        is_both_ways(
            native(),
            a_to_b(packet, &[]),
            "02 00 00 00 0b 02 02 00 00 00 0a 01 86 df 00 07
             2d 02 00 04 00 00 00 00 00 00 00 23 21 07 19 82",
            "02:00:00:00:0a:01 > 02:00:00:00:0b:02 index 7: NACK_MCP bad window, from 2, handle 00000023, \
             magic 21071982",
        );
    }
}
