//! CONNECT: the handshake of two endpoints (wire.md §6.4).

use core::fmt;

use zerocopy::big_endian::{U16, U32};

use crate::envelope::Envelope;
use crate::header::{CONTROL_DATA, Start, control_data, header, kind, split};
use crate::{Ends, Frame, Packet, ParseError};

/// What a CONNECT (36) of either kind says, besides the session of who says it.
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
    /// The application's key.
    pub key: u32,
    /// The sequence number that the connector expects next.
    pub next_expected: u16,
    /// Counts the connects of a partner.
    pub connect_seqnum: u8,
}

/// CONNECT, reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectReply {
    /// The connector's session, echoed.
    pub requester_session: u32,
    /// The sequence number that the responder expects next.
    pub next_expected: u16,
    /// The request's, echoed.
    pub connect_seqnum: u8,
    /// Whether the connector may send.
    pub status: ConnectStatus,
}

/// How a CONNECT was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectStatus {
    /// The key was right (0).
    Success,
    /// It was not (11).
    BadKey,
    /// What no Open-MX says: neither 0 nor 11.
    Unknown(u8),
}

impl ConnectStatus {
    /// The status that a byte stands for.
    pub const fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Success,
            11 => Self::BadKey,
            other => Self::Unknown(other),
        }
    }

    /// The byte that stands for it.
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::BadKey => 11,
            Self::Unknown(byte) => byte,
        }
    }
}

header! {
    /// CONNECT.
    Layout: 32 {
        start: Start,
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

impl Connect {
    /// Its type as Open-MX calls it, with its direction.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Request(_) => "CONNECT request",
            Self::Reply(_) => "CONNECT reply",
        }
    }

    pub(crate) fn parse(frame: Envelope, body: &[u8]) -> Result<Frame<'_>, ParseError> {
        let (h, _): (&Layout, _) = split(body)?;
        control_data(kind::CONNECT, h.data_length)?;
        let (requester_session, other) = (h.requester_session.get(), h.key_or_session.get());
        let next_expected = h.next_expected.get();
        let connect_seqnum = h.connect_seqnum;
        let (session, connect) = match h.is_reply {
            0 => {
                let request = ConnectRequest {
                    key: other,
                    next_expected,
                    connect_seqnum,
                };
                (requester_session, Self::Request(request))
            }
            1 => {
                let reply = ConnectReply {
                    requester_session,
                    next_expected,
                    connect_seqnum,
                    status: ConnectStatus::from_byte(h.status),
                };
                (other, Self::Reply(reply))
            }
            other => return Err(ParseError::ConnectKind(other)),
        };
        let packet = Packet::Connect {
            ends: h.start.ends(),
            sender_index: h.sender_index.get(),
            session,
            connect,
        };
        frame.of(packet, &[])
    }

    pub(crate) fn layout(&self, ends: Ends, sender_index: u16, session: u32) -> Layout {
        let (requester_session, key_or_session, next_expected, is_reply, connect_seqnum, status) =
            match self {
                Self::Request(c) => (session, c.key, c.next_expected, 0, c.connect_seqnum, 0),
                Self::Reply(c) => (
                    c.requester_session,
                    session,
                    c.next_expected,
                    1,
                    c.connect_seqnum,
                    c.status.to_byte(),
                ),
            };
        Layout {
            start: Start::new(kind::CONNECT, ends),
            data_length: CONTROL_DATA,
            pad5: [0; 3],
            seq: 0.into(),
            sender_index: sender_index.into(),
            pad12: [0; 4],
            requester_session: requester_session.into(),
            key_or_session: key_or_session.into(),
            next_expected: next_expected.into(),
            is_reply,
            connect_seqnum,
            status,
            pad29: [0; 3],
        }
    }
}

impl fmt::Display for ConnectStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success => f.write_str("success"),
            Self::BadKey => f.write_str("bad key"),
            Self::Unknown(byte) => write!(f, "unknown status {byte}"),
        }
    }
}

impl fmt::Display for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(c) => write!(
                f,
                "key {:08x}, expects {}, connect {}",
                c.key, c.next_expected, c.connect_seqnum
            ),
            Self::Reply(c) => write!(
                f,
                "{}, to session {:08x}, expects {}, connect {}",
                c.status, c.requester_session, c.next_expected, c.connect_seqnum
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::*;

    #[test]
    fn request() {
        let request = Packet::Connect {
            ends: A_TO_B,
            sender_index: 3,
            session: SESSION_A,
            connect: Connect::Request(ConnectRequest {
                key: 0x1234_5678,
                next_expected: 1,
                connect_seqnum: 0,
            }),
        };
        let frame = Frame {
            sender_index: None,
            ..a_to_b(request, &[])
        };
        is_both_ways(
            native(),
            frame,
            "02 00 00 00 0b 02 02 00 00 00 0a 01 86 df ff ff
             24 02 01 00 10 00 00 00 00 00 00 03 00 00 00 00
             a1 a2 a3 a4 12 34 56 78 00 01 00 00",
            "02:00:00:00:0a:01 > 02:00:00:00:0b:02: CONNECT request 1 > 2, peer 3, from session a1a2a3a4, \
             key 12345678, expects 1, connect 0",
        );
    }

    #[test]
    fn reply() {
        let reply = Packet::Connect {
            ends: B_TO_A,
            sender_index: 7,
            session: SESSION_B,
            connect: Connect::Reply(ConnectReply {
                requester_session: SESSION_A,
                next_expected: 1,
                connect_seqnum: 0,
                status: ConnectStatus::Success,
            }),
        };
        is_both_ways(
            native(),
            b_to_a(reply, &[]),
            "02 00 00 00 0a 01 02 00 00 00 0b 02 86 df 00 03
             24 01 02 00 10 00 00 00 00 00 00 07 00 00 00 00
             a1 a2 a3 a4 b1 b2 b3 b4 00 01 01 00",
            "02:00:00:00:0b:02 > 02:00:00:00:0a:01 index 3: CONNECT reply 2 > 1, peer 7, from session b1b2b3b4, \
             success, to session a1a2a3a4, expects 1, connect 0",
        );
    }

    #[test]
    fn every_status_keeps_its_byte() {
        for byte in 0..=255 {
            assert_eq!(ConnectStatus::from_byte(byte).to_byte(), byte);
        }
    }
}
