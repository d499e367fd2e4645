//! Any packet, without its payload. Indices, sessions and sequence numbers are plain numbers here: what they mean is the
//! board's and the library's affair.

use core::fmt;

use crate::build::{Header, announced};
use crate::frame::check_addresses;
use crate::header::{ETHERTYPE, Ethernet, NO_INDEX, kind};
use crate::{
    BuildError, Connect, Content, Format, HostQuery, HostReply, LibAck, MacAddress, Message, Mode,
    NackLib, NackMcp, Pull, PullReply, raw,
};

/// The two endpoints of a packet, as numbered by their boards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ends {
    /// The endpoint the packet is for.
    pub destination: u8,
    /// The endpoint it comes from.
    pub source: u8,
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}", self.source, self.destination)
    }
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
    LibAck {
        /// Both endpoints.
        ends: Ends,
        /// Session of the destination endpoint.
        session: u32,
        /// What is acknowledged.
        ack: LibAck,
    },
    /// CONNECT (36).
    Connect {
        /// Both endpoints.
        ends: Ends,
        /// The sender's index for the destination.
        sender_index: u16,
        /// Session of the source endpoint.
        session: u32,
        /// The request or the reply.
        connect: Connect,
    },
    /// TINY (37), SMALL (38), MEDIUM (39), RNDV (40) or NOTIFY (43).
    Message {
        /// Both endpoints.
        ends: Ends,
        /// Session of the destination endpoint.
        session: u32,
        /// Which of them, and what it says.
        message: Message,
    },
    /// PULL (41).
    Pull(Pull),
    /// PULL_REPLY (42).
    PullReply(PullReply),
    /// NACK_LIB (44).
    NackLib {
        /// `source` is the endpoint that could not be reached, `destination` the one that tried.
        ends: Ends,
        /// What was refused.
        nack: NackLib,
    },
    /// NACK_MCP (45).
    NackMcp(NackMcp),
}

impl Packet {
    /// Builds what precedes a payload of `payload` bytes (of a HOST_REPLY: the name's, without its NUL).
    ///
    /// `sender_index` is F+14 as [`Frame::sender_index`](crate::Frame::sender_index) describes it. What
    /// [`Frame::parse`](crate::Frame::parse) would refuse is refused.
    #[inline]
    pub fn header(
        &self,
        format: &Format,
        destination: MacAddress,
        source: MacAddress,
        sender_index: Option<u16>,
        payload: usize,
    ) -> Result<Header, BuildError> {
        check_addresses(matches!(self, Self::Raw), destination, source)?;
        let ethernet = &Ethernet {
            destination: destination.0,
            source: source.0,
            ethertype: ETHERTYPE.into(),
            sender_index: sender_index.unwrap_or(NO_INDEX).into(),
        };
        match self {
            Self::Message {
                ends,
                session,
                message,
            } => message.header(format, ethernet, *ends, *session, payload),
            Self::PullReply(r) => {
                let data = announced(r.length, payload)?;
                Ok(Header::new(ethernet, &r.layout(format)?, data))
            }
            Self::Pull(p) => {
                let none = announced(0, payload)?;
                match format.mode() {
                    Mode::Native => Ok(Header::new(ethernet, &p.native(), none)),
                    Mode::MxWire => Ok(Header::new(ethernet, &p.mx_wire()?, none)),
                }
            }
            Self::LibAck { ends, session, ack } => {
                let none = announced(0, payload)?;
                Ok(Header::new(ethernet, &ack.layout(*ends, *session), none))
            }
            Self::Connect {
                ends,
                sender_index,
                session,
                connect,
            } => {
                let none = announced(0, payload)?;
                let layout = connect.layout(*ends, *sender_index, *session);
                Ok(Header::new(ethernet, &layout, none))
            }
            Self::NackLib { ends, nack } => {
                let none = announced(0, payload)?;
                let layout = nack.layout(*ends, ethernet.sender_index);
                Ok(Header::new(ethernet, &layout, none))
            }
            Self::NackMcp(n) => {
                let none = announced(0, payload)?;
                Ok(Header::new(ethernet, &n.layout(), none))
            }
            Self::HostQuery(q) => {
                let none = announced(0, payload)?;
                Ok(Header::new(ethernet, &q.layout(), none))
            }
            Self::HostReply(r) => Ok(Header::host_reply(ethernet, &r.layout(payload)?)),
            Self::Raw => Ok(Header::new(ethernet, &kind::RAW, raw::check(payload)?)),
        }
    }

    /// What a [`Packet::Message`] says, for whoever does not ask from whom and to whom.
    pub const fn content(&self) -> Option<Content> {
        match self {
            Self::Message { message, .. } => Some(message.content),
            _ => None,
        }
    }

    /// Its type as Open-MX calls it, a CONNECT's with its direction.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Raw => "RAW",
            Self::HostQuery(_) => "HOST_QUERY",
            Self::HostReply(_) => "HOST_REPLY",
            Self::LibAck { .. } => "TRUC",
            Self::Connect { connect, .. } => connect.name(),
            Self::Message { message, .. } => message.content.name(),
            Self::Pull(_) => "PULL",
            Self::PullReply(_) => "PULL_REPLY",
            Self::NackLib { .. } => "NACK_LIB",
            Self::NackMcp(_) => "NACK_MCP",
        }
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Raw => Ok(()),
            Self::HostQuery(query) => write!(f, " {query}"),
            Self::HostReply(reply) => write!(f, " {reply}"),
            Self::LibAck { ends, session, ack } => {
                write!(f, " {ends}, session {session:08x}, {ack}")
            }
            Self::Connect {
                ends,
                sender_index,
                session,
                connect,
            } => write!(
                f,
                " {ends}, peer {sender_index}, from session {session:08x}, {connect}"
            ),
            Self::Message {
                ends,
                session,
                message,
            } => write!(f, " {ends}, session {session:08x}, {message}"),
            Self::Pull(pull) => write!(f, " {pull}"),
            Self::PullReply(reply) => write!(f, " {reply}"),
            Self::NackLib { ends, nack } => write!(f, " {ends}, {nack}"),
            Self::NackMcp(nack) => write!(f, " {nack}"),
        }
    }
}
