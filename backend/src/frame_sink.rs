//! The outgoing side: the wire, and the sleepers.

use alloc::vec::Vec;

use mx_board::{EndpointKey, Full};
use mx_ring::{BackendSide, VolatileSlice, VolatileSliceError};

/// What a frame in flight still reads. The sink keeps it and gives it back, once, by `Backend::token_sent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(pub(crate) u64);

/// What follows a frame's header.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    /// Private memory, valid for the call only; often empty.
    Bytes(&'a [u8]),
    /// Memory of a process: at most [`Payload::MAX_PARTS`] parts. Either copied during the call, or read by the card
    /// until the token is given back.
    Shared(&'a [VolatileSlice]),
}

impl Payload<'_> {
    /// No payload.
    pub const NONE: Payload<'static> = Payload::Bytes(&[]);
    /// Parts of a payload at most: 9000 bytes of 4-KiB pages, the first and the last cut.
    pub const MAX_PARTS: usize = 4;

    /// Bytes of it.
    pub fn length(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Shared(parts) => parts.iter().map(VolatileSlice::len).sum(),
        }
    }

    /// Copies it behind what the frame holds already. An error is not to be expected: each part is read whole.
    pub fn append_to(&self, frame: &mut Vec<u8>) -> Result<(), VolatileSliceError> {
        match self {
            Self::Bytes(bytes) => frame.extend_from_slice(bytes),
            Self::Shared(parts) => {
                for part in *parts {
                    let start = frame.len();
                    frame.resize(start + part.len(), 0);
                    part.read(0, &mut frame[start..])?;
                }
            }
        }
        Ok(())
    }
}

/// What a sink did with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handed {
    /// It has copied everything: the token is forgotten.
    Copied,
    /// It goes on reading the payload until it reports the token.
    InFlight,
    /// It cannot send the frame, now or later: the way out is gone, or takes only shorter frames. The token is forgotten.
    Lost,
}

/// Where frames go: the way to the wire.
pub trait FrameSink {
    /// Sends a frame of `header` and `payload`: complete, at least 60 bytes, source address included. `header` and
    /// [`Payload::Bytes`] are valid for the call only.
    fn transmit(
        &mut self,
        header: &[u8],
        payload: Payload<'_>,
        token: Token,
    ) -> Result<Handed, Full>;
}

/// Who sleeps behind an endpoint, and how it is woken.
pub trait Sleepers {
    /// Events were published for this endpoint, and a full fence followed: wake its sleeper if one armed itself since
    /// the last time. Where processes arm themselves that is [`BackendSide::wake_needed`]; where their kernel does,
    /// [`mx_ring::control`]'s `Armed`. One event per guest and turn is enough.
    fn wake_if_armed(&mut self, endpoint: EndpointKey, side: &mut BackendSide);
}
