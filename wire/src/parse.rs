//! From bytes to a [`Frame`], with every check that the format itself allows (wire.md §2, §5, §6).

use core::fmt;

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::layout::{self, kind};
use crate::{
    Connect, ConnectReply, ConnectRequest, Ends, Format, Frame, HostQuery, HostReply, LibAck,
    MacAddress, Medium, Message, Mode, NackLib, NackMcp, Notify, Packet, Pull, PullReply,
    Rendezvous, check,
};

/// Why a frame is dropped. Each cause names the counter of protocol.md §15 that it raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// The EtherType is not 0x86df: the frame is not Open-MX's, and no counter's affair.
    ForeignEtherType(u16),
    /// The frame ends within the header of its type ("Drop Bad Data Length for Headers").
    HeaderTruncated {
        /// Bytes that Ethernet header and body take.
        needed: usize,
        /// Bytes of the frame.
        length: usize,
    },
    /// The frame ends before the payload that its header announces ("Drop Bad Skbuff Length").
    PayloadTruncated {
        /// Payload bytes announced.
        announced: usize,
        /// Payload bytes there.
        present: usize,
    },
    /// A length field holds what its packet type does not allow ("Drop Bad Data Length").
    DataLength {
        /// The packet type.
        kind: u8,
        /// The length field.
        length: usize,
    },
    /// Total, number and length of a medium fragment contradict each other ("Drop Bad Data Length").
    Fragment {
        /// Bytes of the message.
        total: u32,
        /// Number of the fragment.
        fragment: u8,
        /// Bytes of the fragment.
        length: u16,
    },
    /// An MX-wire fragment has another stride than 2^12 ("Drop Bad Data Length").
    Pipeline(u8),
    /// A RAW frame of more than 1024 bytes, thus with a payload of more than 1007 ("Drop Raw Packet Too Large").
    RawTooLarge(usize),
    /// The source address is a group's, which no station has ("Drop Bad Peer Addr").
    GroupSource(MacAddress),
    /// Anything but RAW sent to a group ("Drop Bad Peer Addr").
    GroupDestination(MacAddress),
    /// A packet type that MX knows and Open-MX does not serve ("Drop Invalid Packet Type").
    InvalidType(u8),
    /// A packet type that does not exist ("Drop Unknown Packet Type").
    UnknownType(u8),
    /// A CONNECT that is neither request nor reply ("Drop Not Implemented Packet Type").
    ConnectKind(u8),
    /// A TRUC that carries no acknowledgement ("Drop Not Implemented Packet Type").
    TrucSubtype(u8),
    /// A TRUC whose two sessions differ ("Drop Bad Session").
    TrucSessions {
        /// The session in the header.
        destination: u32,
        /// The session in the acknowledgement.
        acked: u32,
    },
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ForeignEtherType(found) => {
                write!(f, "EtherType {found:04x} is not Open-MX's 86df")
            }
            Self::HeaderTruncated { needed, length } => write!(
                f,
                "the frame has {length} bytes, its header alone takes {needed}"
            ),
            Self::PayloadTruncated { announced, present } => write!(
                f,
                "the header announces {announced} bytes of payload, the frame holds {present}"
            ),
            Self::DataLength { kind, length } => {
                write!(f, "packet type {kind} does not allow a length of {length}")
            }
            Self::Fragment {
                total,
                fragment,
                length,
            } => write!(
                f,
                "fragment {fragment} of a message of {total} bytes cannot have {length} bytes: \
                 do both ends speak the same wire mode and MTU?"
            ),
            Self::Pipeline(found) => write!(
                f,
                "a fragment stride of 2^{found} is not MX-wire's 2^12: does the sender speak native?"
            ),
            Self::RawTooLarge(length) => {
                write!(f, "a RAW payload of {length} bytes exceeds 1007")
            }
            Self::GroupSource(source) => write!(f, "the source address {source} is a group's"),
            Self::GroupDestination(destination) => {
                write!(f, "only RAW frames may go to a group such as {destination}")
            }
            Self::InvalidType(found) => write!(f, "packet type {found} is not served by Open-MX"),
            Self::UnknownType(found) => write!(f, "packet type {found} does not exist"),
            Self::ConnectKind(found) => {
                write!(f, "a CONNECT of kind {found} is neither request nor reply")
            }
            Self::TrucSubtype(found) => {
                write!(f, "a TRUC of sub-type {found:02x} is no acknowledgement")
            }
            Self::TrucSessions { destination, acked } => write!(
                f,
                "a TRUC for session {destination:08x} acknowledges session {acked:08x}"
            ),
        }
    }
}

impl ParseError {
    /// Whether the frame has the shape that another frame size or wire format would give it.
    pub const fn is_of_other_format(&self) -> bool {
        matches!(
            self,
            Self::Fragment { .. }
                | Self::Pipeline(_)
                | Self::DataLength {
                    kind: kind::PULL_REPLY,
                    ..
                }
        )
    }
}

impl core::error::Error for ParseError {}

impl<'a> Frame<'a> {
    /// Reads a frame as it came from the wire, without frame check. What follows the payload is ignored.
    pub fn parse(format: &Format, bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (ethernet, body): (&layout::Ethernet, _) = split(bytes, 0)?;
        let ethertype = ethernet.ethertype.get();
        if ethertype != layout::ETHERTYPE {
            return Err(ParseError::ForeignEtherType(ethertype));
        }
        let Some(&kind) = body.first() else {
            return Err(ParseError::HeaderTruncated {
                needed: layout::ETHERNET + 1,
                length: bytes.len(),
            });
        };
        let index = ethernet.sender_index.get();
        let frame = Envelope {
            destination: MacAddress(ethernet.destination),
            source: MacAddress(ethernet.source),
            sender_index: (index != layout::NO_INDEX).then_some(index),
        };
        check::addresses(kind, frame.destination, frame.source)?;
        match kind {
            kind::TINY => message(frame, body, kind, Packet::Tiny),
            kind::SMALL => message(frame, body, kind, Packet::Small),
            kind::MEDIUM => medium(frame, format, body),
            kind::PULL_REPLY => pull_reply(frame, format, body),
            kind::PULL => match format.mode() {
                Mode::Native => native_pull(frame, body),
                Mode::MxWire => mx_wire_pull(frame, body),
            },
            kind::TRUC => truc(frame, body),
            kind::RNDV => rendezvous(frame, body),
            kind::NOTIFY => notify(frame, body),
            kind::CONNECT => connect(frame, body),
            kind::NACK_LIB => nack_lib(frame, body),
            kind::NACK_MCP => nack_mcp(frame, body),
            kind::HOST_QUERY => host_query(frame, body),
            kind::HOST_REPLY => host_reply(frame, body),
            kind::RAW => raw(frame, body),
            kind::MAPPER_NIC_REPLY | kind::ETHERNET_UNICAST..=kind::ETHERNET_NATIVE => {
                Err(ParseError::InvalidType(kind))
            }
            _ => Err(ParseError::UnknownType(kind)),
        }
    }
}

/// A frame without its body: what is read first, so that each type can put the whole where the caller wants it.
struct Envelope {
    destination: MacAddress,
    source: MacAddress,
    sender_index: Option<u16>,
}

impl Envelope {
    #[inline]
    fn of(self, packet: Packet, payload: &[u8]) -> Result<Frame<'_>, ParseError> {
        Ok(Frame {
            destination: self.destination,
            source: self.source,
            sender_index: self.sender_index,
            packet,
            payload,
        })
    }
}

/// Takes a header off `bytes`, which begin at `offset` of the frame.
#[inline]
fn split<T: FromBytes + Immutable + KnownLayout + Unaligned>(
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
fn announced(rest: &[u8], length: usize) -> Result<&[u8], ParseError> {
    rest.get(..length).ok_or(ParseError::PayloadTruncated {
        announced: length,
        present: rest.len(),
    })
}

/// TINY or SMALL.
#[inline]
fn message(
    frame: Envelope,
    body: &[u8],
    kind: u8,
    packet: impl FnOnce(Message) -> Packet,
) -> Result<Frame<'_>, ParseError> {
    let (h, rest): (&layout::Message, _) = split(body, layout::ETHERNET)?;
    let length = h.data_length.get();
    check::message(kind, length)?;
    let data = announced(rest, usize::from(length))?;
    let message = Message {
        ends: Ends {
            destination: h.destination,
            source: h.source,
        },
        length,
        seq: h.seq.get(),
        ack: h.ack.get(),
        match_info: h.match_info.get(),
        session: h.session.get(),
    };
    frame.of(packet(message), data)
}

#[inline]
fn medium<'a>(frame: Envelope, format: &Format, body: &'a [u8]) -> Result<Frame<'a>, ParseError> {
    let (h, rest): (&layout::Medium, _) = split(body, layout::ETHERNET)?;
    let [a, b, c, d] = h.total;
    let total = match format.mode() {
        Mode::Native => u32::from_be_bytes([a, b, c, d]),
        Mode::MxWire if h.pipeline != layout::PIPELINE => {
            return Err(ParseError::Pipeline(h.pipeline));
        }
        Mode::MxWire => u32::from(u16::from_be_bytes([a, b])),
    };
    let medium = Medium {
        ends: Ends {
            destination: h.destination,
            source: h.source,
        },
        total,
        seq: h.seq.get(),
        ack: h.ack.get(),
        match_info: h.match_info.get(),
        session: h.session.get(),
        length: h.length.get(),
        fragment: h.fragment,
    };
    check::medium(format, &medium)?;
    let payload = announced(rest, usize::from(medium.length))?;
    frame.of(Packet::Medium(medium), payload)
}

#[inline]
fn rendezvous(frame: Envelope, body: &[u8]) -> Result<Frame<'_>, ParseError> {
    let (h, _): (&layout::Rendezvous, _) = split(body, layout::ETHERNET)?;
    let length = h.message.data_length.get();
    if length < layout::RENDEZVOUS_DATA {
        return Err(ParseError::DataLength {
            kind: kind::RNDV,
            length: usize::from(length),
        });
    }
    let rendezvous = Rendezvous {
        ends: Ends {
            destination: h.message.destination,
            source: h.message.source,
        },
        seq: h.message.seq.get(),
        ack: h.message.ack.get(),
        match_info: h.message.match_info.get(),
        session: h.message.session.get(),
        total: h.total.get(),
        window: h.window,
        window_seqnum: h.window_seqnum,
        window_offset: h.window_offset.get(),
    };
    frame.of(Packet::Rendezvous(rendezvous), &[])
}

#[inline]
fn native_pull(frame: Envelope, body: &[u8]) -> Result<Frame<'_>, ParseError> {
    let (h, _): (&layout::NativePull, _) = split(body, layout::ETHERNET)?;
    let pull = Pull {
        ends: Ends {
            destination: h.destination,
            source: h.source,
        },
        session: h.session.get(),
        total: h.total.get(),
        window: h.window.get(),
        window_seqnum: h.window_seqnum,
        window_offset: h.window_offset.get(),
        handle: h.handle.get(),
        magic: h.magic.get(),
        first_frame_offset: h.first_frame_offset.get(),
        block_length: h.block_length.get(),
        frame_index: h.frame_index.get(),
    };
    frame.of(Packet::Pull(pull), &[])
}

#[inline]
fn mx_wire_pull(frame: Envelope, body: &[u8]) -> Result<Frame<'_>, ParseError> {
    let (h, _): (&layout::MxWirePull, _) = split(body, layout::ETHERNET)?;
    let pull = Pull {
        ends: Ends {
            destination: h.destination,
            source: h.source,
        },
        session: h.session.get(),
        total: h.total.get(),
        window: u32::from(h.window),
        window_seqnum: h.window_seqnum,
        window_offset: u32::from(h.window_offset.get()),
        handle: h.handle.get(),
        magic: h.magic.get(),
        first_frame_offset: u32::from(h.first_frame_offset.get()),
        block_length: u32::from(h.block_length.get()),
        frame_index: h.frame_index.get(),
    };
    frame.of(Packet::Pull(pull), &[])
}

#[inline]
fn pull_reply<'a>(
    frame: Envelope,
    format: &Format,
    body: &'a [u8],
) -> Result<Frame<'a>, ParseError> {
    let (h, rest): (&layout::PullReply, _) = split(body, layout::ETHERNET)?;
    let reply = PullReply {
        frame_seqnum: h.frame_seqnum,
        length: h.length.get(),
        message_offset: h.message_offset.get(),
        handle: h.handle.get(),
        magic: h.magic.get(),
    };
    check::pull_reply(format, reply.length)?;
    let payload = announced(rest, usize::from(reply.length))?;
    frame.of(Packet::PullReply(reply), payload)
}

#[inline]
fn notify(frame: Envelope, body: &[u8]) -> Result<Frame<'_>, ParseError> {
    let (h, _): (&layout::Notify, _) = split(body, layout::ETHERNET)?;
    let notify = Notify {
        ends: Ends {
            destination: h.destination,
            source: h.source,
        },
        session: h.session.get(),
        transferred: h.transferred.get(),
        window: h.window,
        window_seqnum: h.window_seqnum,
        seq: h.seq.get(),
        ack: h.ack.get(),
    };
    frame.of(Packet::Notify(notify), &[])
}

#[inline]
fn truc(frame: Envelope, body: &[u8]) -> Result<Frame<'_>, ParseError> {
    let (h, _): (&layout::Truc, _) = split(body, layout::ETHERNET)?;
    control_data(kind::TRUC, h.data_length)?;
    if h.subtype != layout::TRUC_ACK {
        return Err(ParseError::TrucSubtype(h.subtype));
    }
    let (session, acked) = (h.session.get(), h.acked_session.get());
    if session != acked {
        return Err(ParseError::TrucSessions {
            destination: session,
            acked,
        });
    }
    let ack = LibAck {
        ends: Ends {
            destination: h.destination,
            source: h.source,
        },
        session,
        ack: h.ack.get(),
        ack_number: h.ack_number.get(),
    };
    frame.of(Packet::LibAck(ack), &[])
}

fn connect(frame: Envelope, body: &[u8]) -> Result<Frame<'_>, ParseError> {
    let (h, _): (&layout::Connect, _) = split(body, layout::ETHERNET)?;
    control_data(kind::CONNECT, h.data_length)?;
    let ends = Ends {
        destination: h.destination,
        source: h.source,
    };
    let connect = match h.is_reply {
        0 => Connect::Request(ConnectRequest {
            ends,
            sender_index: h.sender_index.get(),
            session: h.requester_session.get(),
            key: h.key_or_session.get(),
            next_expected: h.next_expected.get(),
            connect_seqnum: h.connect_seqnum,
        }),
        1 => Connect::Reply(ConnectReply {
            ends,
            sender_index: h.sender_index.get(),
            requester_session: h.requester_session.get(),
            session: h.key_or_session.get(),
            next_expected: h.next_expected.get(),
            connect_seqnum: h.connect_seqnum,
            status: h.status,
        }),
        other => return Err(ParseError::ConnectKind(other)),
    };
    frame.of(Packet::Connect(connect), &[])
}

/// The data length of CONNECT and TRUC: more than needed is allowed, and ignored.
fn control_data(kind: u8, length: u8) -> Result<(), ParseError> {
    if length < layout::CONTROL_DATA {
        return Err(ParseError::DataLength {
            kind,
            length: usize::from(length),
        });
    }
    Ok(())
}

fn nack_lib(frame: Envelope, body: &[u8]) -> Result<Frame<'_>, ParseError> {
    let (h, _): (&layout::NackLib, _) = split(body, layout::ETHERNET)?;
    let nack = NackLib {
        ends: Ends {
            destination: h.destination,
            source: h.source,
        },
        code: h.code.clamp(1, NackLib::LAST_CODE),
        seq: h.seq.get(),
    };
    frame.of(Packet::NackLib(nack), &[])
}

fn nack_mcp(frame: Envelope, body: &[u8]) -> Result<Frame<'_>, ParseError> {
    let (h, _): (&layout::NackMcp, _) = split(body, layout::ETHERNET)?;
    let nack = NackMcp {
        source: h.source,
        code: h.code.clamp(1, NackMcp::LAST_CODE),
        handle: h.handle.get(),
        magic: h.magic.get(),
    };
    frame.of(Packet::NackMcp(nack), &[])
}

fn host_query(frame: Envelope, body: &[u8]) -> Result<Frame<'_>, ParseError> {
    let (h, _): (&layout::Host, _) = split(body, layout::ETHERNET)?;
    let query = HostQuery {
        sender_index: h.sender_index.get(),
        magic: h.magic.get(),
    };
    frame.of(Packet::HostQuery(query), &[])
}

fn host_reply(frame: Envelope, body: &[u8]) -> Result<Frame<'_>, ParseError> {
    let (h, rest): (&layout::Host, _) = split(body, layout::ETHERNET)?;
    let reply = HostReply {
        sender_index: h.sender_index.get(),
        magic: h.magic.get(),
    };
    let with_nul = usize::from(h.name_length);
    check::host_reply(with_nul)?;
    // Whatever the last byte is, it stands for the NUL.
    let name = match announced(rest, with_nul)? {
        [name @ .., _] => name,
        [] => &[],
    };
    frame.of(Packet::HostReply(reply), name)
}

fn raw(frame: Envelope, body: &[u8]) -> Result<Frame<'_>, ParseError> {
    let payload = body.get(1..).unwrap_or_default();
    check::raw(payload.len())?;
    frame.of(Packet::Raw, payload)
}
