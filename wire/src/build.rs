//! From a packet to bytes: a header on the stack, so that the payload may lie elsewhere, or a whole frame.

use zerocopy::{Immutable, IntoBytes};

use crate::header::{ETHERNET, Ethernet};
use crate::host::Layout as Host;
use crate::pull::Native as LongestBody;
use crate::{Format, Frame, ParseError};

/// Bytes of an Ethernet frame at least, without frame check.
const SHORTEST_FRAME: u16 = 60;
const HEADER_MAX: usize = ETHERNET + size_of::<LongestBody>();

/// Why a frame cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// Payload and packet disagree: give the packet the length of the payload.
    #[error("the packet announces {packet} bytes of payload but is given {payload}")]
    PayloadLength {
        /// What the packet says.
        packet: usize,
        /// What there is.
        payload: usize,
    },
    /// Every receiver would drop it, for this reason.
    #[error("a receiver would drop the frame: {0}")]
    Refused(#[from] ParseError),
    /// MX-wire has fewer bits for this field of a pull: stay below 2^8 windows and 2^16 bytes of offset and block.
    #[error("MX-wire has no room for a {field} of {value} in a pull")]
    MxWireField {
        /// The field of [`Pull`](crate::Pull).
        field: &'static str,
        /// What was to be written there.
        value: u32,
    },
    /// The buffer cannot hold the frame.
    #[error("the frame takes {needed} bytes, the buffer has {given}")]
    BufferTooSmall {
        /// Bytes of the frame.
        needed: usize,
        /// Bytes of the buffer.
        given: usize,
    },
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
    pub(crate) fn new<B: IntoBytes + Immutable>(
        ethernet: &Ethernet,
        body: &B,
        payload: u16,
    ) -> Self {
        const { assert!(size_of::<B>() <= size_of::<LongestBody>()) };
        let length = const { ETHERNET + size_of::<B>() };
        let mut bytes = [0; HEADER_MAX];
        bytes[..ETHERNET].copy_from_slice(ethernet.as_bytes());
        bytes[ETHERNET..length].copy_from_slice(body.as_bytes());
        Self {
            bytes,
            length: length as u8,
            frame_length: (length as u16 + payload).max(SHORTEST_FRAME),
            alone: payload == 0,
        }
    }

    /// Open-MX adds the name of a HOST_REPLY to the shortest frame, not to the header.
    pub(crate) fn host_reply(ethernet: &Ethernet, body: &Host) -> Self {
        Self {
            frame_length: SHORTEST_FRAME + u16::from(body.name_length),
            alone: false,
            ..Self::new(ethernet, body, 0)
        }
    }
}

/// The packet's own length field, if the payload has that length.
#[inline]
pub(crate) fn announced(packet: u16, payload: usize) -> Result<u16, BuildError> {
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
