//! From bytes to a [`Frame`], with every check that the format itself allows (wire.md §2, §5, §6).

use crate::envelope::Envelope;
use crate::frame::check_addresses;
use crate::header::{ETHERNET, ETHERTYPE, Ethernet, NO_INDEX, kind, split_at};
use crate::{
    Connect, Content, Format, Frame, HostQuery, HostReply, LibAck, MacAddress, Mode, NackLib,
    NackMcp, Pull, PullReply, raw,
};

/// Why a frame is dropped. Each cause names the counter of protocol.md §15 that it raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The EtherType is not 0x86df: the frame is not Open-MX's, and no counter's affair.
    #[error("EtherType {0:04x} is not Open-MX's 86df")]
    ForeignEtherType(u16),
    /// The frame ends within the header of its type ("Drop Bad Data Length for Headers").
    #[error("the frame has {length} bytes, its header alone takes {needed}")]
    HeaderTruncated {
        /// Bytes that Ethernet header and body take.
        needed: usize,
        /// Bytes of the frame.
        length: usize,
    },
    /// The frame ends before the payload that its header announces ("Drop Bad Skbuff Length").
    #[error("the header announces {announced} bytes of payload, the frame holds {present}")]
    PayloadTruncated {
        /// Payload bytes announced.
        announced: usize,
        /// Payload bytes there.
        present: usize,
    },
    /// A length field holds what its packet type does not allow ("Drop Bad Data Length").
    #[error("packet type {kind} does not allow a length of {length}")]
    DataLength {
        /// Type of the packet, F+16.
        kind: u8,
        /// The length field.
        length: usize,
    },
    /// Total, number and length of a medium fragment contradict each other ("Drop Bad Data Length").
    #[error(
        "fragment {fragment} of a message of {total} bytes cannot have {length} bytes: \
         do both ends speak the same wire mode and MTU?"
    )]
    Fragment {
        /// Bytes of the message.
        total: u32,
        /// Number of the fragment.
        fragment: u8,
        /// Bytes of the fragment.
        length: u16,
    },
    /// An MX-wire fragment has another stride than 2^12 ("Drop Bad Data Length").
    #[error("a fragment stride of 2^{0} is not MX-wire's 2^12: does the sender speak native?")]
    Pipeline(u8),
    /// A RAW frame of more than 1024 bytes, thus with a payload of more than 1007 ("Drop Raw Packet Too Large").
    #[error("a RAW payload of {0} bytes exceeds 1007")]
    RawTooLarge(usize),
    /// The source address is a group's, which no station has ("Drop Bad Peer Addr").
    #[error("the source address {0} is a group's")]
    GroupSource(MacAddress),
    /// Anything but RAW sent to a group ("Drop Bad Peer Addr").
    #[error("only RAW frames may go to a group such as {0}")]
    GroupDestination(MacAddress),
    /// A packet type that MX knows and Open-MX does not serve ("Drop Invalid Packet Type").
    #[error("packet type {0} is not served by Open-MX")]
    InvalidType(u8),
    /// A packet type that does not exist ("Drop Unknown Packet Type").
    #[error("packet type {0} does not exist")]
    UnknownType(u8),
    /// A CONNECT that is neither request nor reply ("Drop Not Implemented Packet Type").
    #[error("a CONNECT of kind {0} is neither request nor reply")]
    ConnectKind(u8),
    /// A TRUC that carries no acknowledgement ("Drop Not Implemented Packet Type").
    #[error("a TRUC of sub-type {0:02x} is no acknowledgement")]
    TrucSubtype(u8),
    /// A TRUC whose two sessions differ ("Drop Bad Session").
    #[error("a TRUC for session {destination:08x} acknowledges session {acked:08x}")]
    TrucSessions {
        /// The session in the header.
        destination: u32,
        /// The session in the acknowledgement.
        acked: u32,
    },
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

impl<'a> Frame<'a> {
    /// Reads a frame as it came from the wire, without frame check. What follows the payload is ignored.
    pub fn parse(format: &Format, bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (ethernet, body): (&Ethernet, _) = split_at(bytes, 0)?;
        let ethertype = ethernet.ethertype.get();
        if ethertype != ETHERTYPE {
            return Err(ParseError::ForeignEtherType(ethertype));
        }
        let Some(&kind) = body.first() else {
            return Err(ParseError::HeaderTruncated {
                needed: ETHERNET + 1,
                length: bytes.len(),
            });
        };
        let index = ethernet.sender_index.get();
        let frame = Envelope {
            destination: MacAddress(ethernet.destination),
            source: MacAddress(ethernet.source),
            sender_index: (index != NO_INDEX).then_some(index),
        };
        check_addresses(kind == kind::RAW, frame.destination, frame.source)?;
        match kind {
            kind::TINY | kind::SMALL | kind::MEDIUM | kind::RNDV | kind::NOTIFY => {
                Content::parse(frame, format, kind, body)
            }
            kind::PULL_REPLY => PullReply::parse(frame, format, body),
            kind::PULL => match format.mode() {
                Mode::Native => Pull::parse_native(frame, body),
                Mode::MxWire => Pull::parse_mx_wire(frame, body),
            },
            kind::TRUC => LibAck::parse(frame, body),
            kind::CONNECT => Connect::parse(frame, body),
            kind::NACK_LIB => NackLib::parse(frame, body),
            kind::NACK_MCP => NackMcp::parse(frame, body),
            kind::HOST_QUERY => HostQuery::parse(frame, body),
            kind::HOST_REPLY => HostReply::parse(frame, body),
            kind::RAW => raw::parse(frame, body),
            kind::MAPPER_NIC_REPLY
            | kind::ETHERNET_UNICAST
            | kind::ETHERNET_MULTICAST
            | kind::ETHERNET_NATIVE => Err(ParseError::InvalidType(kind)),
            _ => Err(ParseError::UnknownType(kind)),
        }
    }
}
