//! From a packet to bytes: a header on the stack, so that the payload may lie elsewhere, or a whole frame.

use core::fmt;

use zerocopy::{Immutable, IntoBytes};

use crate::layout::{self, kind};
use crate::{Format, Frame, MacAddress, Mode, Packet, ParseError, body, check};

/// Bytes of an Ethernet frame at least, without frame check.
const SHORTEST_FRAME: u16 = 60;
const HEADER_MAX: usize = layout::ETHERNET + layout::LONGEST_BODY;

/// Why a frame cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// Payload and packet disagree: give the packet the length of the payload.
    PayloadLength {
        /// What the packet says.
        packet: usize,
        /// What there is.
        payload: usize,
    },
    /// Every receiver would drop it, for this reason.
    Refused(ParseError),
    /// MX-wire has fewer bits for this field of a pull: stay below 2^8 windows and 2^16 bytes of offset and block.
    MxWireField {
        /// The field of [`Pull`](crate::Pull).
        field: &'static str,
        /// Its value.
        value: u32,
    },
    /// The buffer cannot hold the frame.
    BufferTooSmall {
        /// Bytes of the frame.
        needed: usize,
        /// Bytes of the buffer.
        given: usize,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PayloadLength { packet, payload } => write!(
                f,
                "the packet announces {packet} bytes of payload but is given {payload}"
            ),
            Self::Refused(cause) => write!(f, "a receiver would drop the frame: {cause}"),
            Self::MxWireField { field, value } => {
                write!(f, "MX-wire has no room for a {field} of {value} in a pull")
            }
            Self::BufferTooSmall { needed, given } => {
                write!(f, "the frame takes {needed} bytes, the buffer has {given}")
            }
        }
    }
}

impl core::error::Error for BuildError {}

impl From<ParseError> for BuildError {
    fn from(cause: ParseError) -> Self {
        Self::Refused(cause)
    }
}

/// Everything of a frame that precedes the payload, at most 60 bytes.
///
/// On the wire follow the payload, then zeros up to [`Header::frame_length`].
#[derive(Clone, Copy, Debug)]
pub struct Header {
    bytes: [u8; HEADER_MAX],
    length: u8,
    frame_length: u16,
    /// No payload follows.
    alone: bool,
}

impl Header {
    /// The header's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The whole frame, padding included, if it has no payload.
    #[inline]
    pub fn whole_frame(&self) -> Option<&[u8]> {
        const { assert!(HEADER_MAX == SHORTEST_FRAME as usize) };
        // Behind a header without payload nothing else was ever written.
        self.alone.then_some(self.bytes.as_slice())
    }

    /// Bytes of the whole frame, padding included: at least 60.
    pub fn frame_length(&self) -> usize {
        usize::from(self.frame_length)
    }

    /// `payload` is bounded by the checks of its packet type, far below 64 KiB.
    #[inline]
    fn new<B: IntoBytes + Immutable>(ethernet: &layout::Ethernet, body: &B, payload: u16) -> Self {
        const { assert!(size_of::<B>() <= layout::LONGEST_BODY) };
        let length = const { layout::ETHERNET + size_of::<B>() };
        let mut bytes = [0; HEADER_MAX];
        bytes[..layout::ETHERNET].copy_from_slice(ethernet.as_bytes());
        bytes[layout::ETHERNET..length].copy_from_slice(body.as_bytes());
        Self {
            bytes,
            length: length as u8,
            frame_length: (length as u16 + payload).max(SHORTEST_FRAME),
            alone: payload == 0,
        }
    }

    /// Open-MX adds the name of a HOST_REPLY to the shortest frame, not to the header.
    fn host_reply(ethernet: &layout::Ethernet, body: &layout::Host) -> Self {
        Self {
            frame_length: SHORTEST_FRAME + u16::from(body.name_length),
            alone: false,
            ..Self::new(ethernet, body, 0)
        }
    }
}

impl Packet {
    /// Builds what precedes a payload of `payload` bytes (of a HOST_REPLY: the name's, without its NUL).
    ///
    /// `sender_index` is F+14 as [`Frame::sender_index`] describes it. What [`Frame::parse`] would refuse is refused.
    #[inline]
    pub fn header(
        &self,
        format: &Format,
        destination: MacAddress,
        source: MacAddress,
        sender_index: Option<u16>,
        payload: usize,
    ) -> Result<Header, BuildError> {
        check::addresses(self.kind(), destination, source)?;
        let index = sender_index.unwrap_or(layout::NO_INDEX);
        let ethernet = &layout::Ethernet {
            destination: destination.0,
            source: source.0,
            ethertype: layout::ETHERTYPE.into(),
            sender_index: index.into(),
        };
        match self {
            Self::Tiny(m) | Self::Small(m) => {
                let data = announced(m.length, payload)?;
                check::message(self.kind(), m.length)?;
                Ok(Header::new(ethernet, &body::message(self.kind(), m), data))
            }
            Self::Medium(m) => {
                let data = announced(m.length, payload)?;
                check::medium(format, m)?;
                Ok(Header::new(ethernet, &body::medium(format.mode(), m), data))
            }
            Self::PullReply(r) => {
                let data = announced(r.length, payload)?;
                check::pull_reply(format, r.length)?;
                Ok(Header::new(ethernet, &body::pull_reply(r), data))
            }
            Self::Pull(p) => {
                let none = announced(0, payload)?;
                match format.mode() {
                    Mode::Native => Ok(Header::new(ethernet, &body::native_pull(p), none)),
                    Mode::MxWire => Ok(Header::new(ethernet, &body::mx_wire_pull(p)?, none)),
                }
            }
            Self::Rendezvous(r) => {
                let none = announced(0, payload)?;
                Ok(Header::new(ethernet, &body::rendezvous(r), none))
            }
            Self::Notify(n) => {
                let none = announced(0, payload)?;
                Ok(Header::new(ethernet, &body::notify(n), none))
            }
            Self::LibAck(a) => {
                let none = announced(0, payload)?;
                Ok(Header::new(ethernet, &body::truc(a), none))
            }
            Self::Connect(c) => {
                let none = announced(0, payload)?;
                Ok(Header::new(ethernet, &body::connect(c), none))
            }
            Self::NackLib(n) => {
                let none = announced(0, payload)?;
                Ok(Header::new(ethernet, &body::nack_lib(n, index), none))
            }
            Self::NackMcp(n) => {
                let none = announced(0, payload)?;
                Ok(Header::new(ethernet, &body::nack_mcp(n), none))
            }
            Self::HostQuery(q) => {
                let none = announced(0, payload)?;
                Ok(Header::new(ethernet, &body::host_query(q), none))
            }
            Self::HostReply(r) => {
                let name_length = check::host_reply(payload.saturating_add(1))?;
                let body = body::host_reply(r, name_length);
                Ok(Header::host_reply(ethernet, &body))
            }
            Self::Raw => {
                let data = check::raw(payload)?;
                Ok(Header::new(ethernet, &kind::RAW, data))
            }
        }
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Raw => kind::RAW,
            Self::HostQuery(_) => kind::HOST_QUERY,
            Self::HostReply(_) => kind::HOST_REPLY,
            Self::LibAck(_) => kind::TRUC,
            Self::Connect(_) => kind::CONNECT,
            Self::Tiny(_) => kind::TINY,
            Self::Small(_) => kind::SMALL,
            Self::Medium(_) => kind::MEDIUM,
            Self::Rendezvous(_) => kind::RNDV,
            Self::Pull(_) => kind::PULL,
            Self::PullReply(_) => kind::PULL_REPLY,
            Self::Notify(_) => kind::NOTIFY,
            Self::NackLib(_) => kind::NACK_LIB,
            Self::NackMcp(_) => kind::NACK_MCP,
        }
    }
}

/// The packet's own length field, if the payload has that length.
#[inline]
fn announced(packet: u16, payload: usize) -> Result<u16, BuildError> {
    if usize::from(packet) != payload {
        return Err(BuildError::PayloadLength {
            packet: usize::from(packet),
            payload,
        });
    }
    Ok(packet)
}

impl Frame<'_> {
    /// Writes the whole frame, padding included, to the start of `buffer` and says how long it is.
    pub fn emit(&self, format: &Format, buffer: &mut [u8]) -> Result<usize, BuildError> {
        let header = self.packet.header(
            format,
            self.destination,
            self.source,
            self.sender_index,
            self.payload.len(),
        )?;
        let needed = header.frame_length();
        let given = buffer.len();
        let Some(frame) = buffer.get_mut(..needed) else {
            return Err(BuildError::BufferTooSmall { needed, given });
        };
        let (head, rest) = frame.split_at_mut(header.as_bytes().len());
        let (payload, padding) = rest.split_at_mut(self.payload.len());
        head.copy_from_slice(header.as_bytes());
        payload.copy_from_slice(self.payload);
        padding.fill(0);
        Ok(needed)
    }
}
