//! RAW, and the beacon of Open-MX's discovery daemon `omxoed` in it: how boards find each other (wire.md §6.1).

use core::fmt;

use zerocopy::FromBytes;
use zerocopy::big_endian::U32;

use crate::envelope::Envelope;
use crate::header::{ETHERNET, header};
use crate::{Frame, MacAddress, Packet, ParseError};

/// Bytes of a RAW frame at most, its Ethernet header included.
pub const RAW_FRAME_MAX: usize = 1024;
/// The same of its payload, which follows the type byte.
const RAW_PAYLOAD_MAX: usize = RAW_FRAME_MAX - ETHERNET - 1;

pub(crate) fn parse(frame: Envelope, body: &[u8]) -> Result<Frame<'_>, ParseError> {
    let payload = body.get(1..).unwrap_or_default();
    check(payload.len())?;
    frame.of(Packet::Raw, payload)
}

/// The length is the payload's.
pub(crate) fn check(length: usize) -> Result<u16, ParseError> {
    if length > RAW_PAYLOAD_MAX {
        return Err(ParseError::RawTooLarge(length));
    }
    Ok(length as u16)
}

/// A beacon: the payload of a RAW frame, broadcast by each board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beacon {
    /// The board's address, which Open-MX calls its NIC id.
    pub board: MacAddress,
    /// Chosen at random when the daemon starts: a new one means that the board was restarted.
    pub serial: u32,
}

header! {
    /// F+17 to F+63.
    Layout: 47 {
        pad17: [u8; 15],
        nic_id_high: U32,
        nic_id_low: U32,
        serial: U32,
        pad44: [u8; 20],
    }
}

impl Beacon {
    /// Bytes of a beacon's payload; with the RAW header they make a frame of 64.
    pub const LENGTH: usize = size_of::<Layout>();

    /// Reads the payload of a RAW frame. There is no magic: `None` only if it is too short, or names a board by
    /// what is no station's address (more than 48 bits, or a group's).
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let (layout, _) = Layout::ref_from_prefix(payload).ok()?;
        if layout.nic_id_high.get() > 0xffff {
            return None;
        }
        let nic_id = u64::from(layout.nic_id_high.get()) << 32 | u64::from(layout.nic_id_low.get());
        let board = MacAddress::from_nic_id(nic_id);
        (!board.is_group()).then_some(Self {
            board,
            serial: layout.serial.get(),
        })
    }

    /// The payload of the RAW frame.
    pub fn payload(&self) -> [u8; Self::LENGTH] {
        let nic_id = self.board.nic_id();
        let layout = Layout {
            pad17: [0; 15],
            nic_id_high: ((nic_id >> 32) as u32).into(),
            nic_id_low: (nic_id as u32).into(),
            serial: self.serial.into(),
            pad44: [0; 20],
        };
        zerocopy::transmute!(layout)
    }

    /// The frame around a [`payload`](Self::payload): from the board to everybody.
    pub fn frame(board: MacAddress, payload: &[u8; Self::LENGTH]) -> Frame<'_> {
        Frame {
            destination: MacAddress::BROADCAST,
            source: board,
            sender_index: Some(0),
            packet: Packet::Raw,
            payload,
        }
    }
}

impl fmt::Display for Beacon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "beacon of {}, serial {:08x}", self.board, self.serial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::*;

    #[test]
    fn beacon() {
        let beacon = Beacon {
            board: A,
            serial: 0x1234_5678,
        };
        let payload = beacon.payload();
        let frame = Beacon::frame(A, &payload);
        is_both_ways(
            native(),
            frame,
            "ff ff ff ff ff ff 02 00 00 00 0a 01 86 df 00 00
             01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
             00 00 02 00 00 00 0a 01 12 34 56 78 00 00 00 00
             00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
            "02:00:00:00:0a:01 > ff:ff:ff:ff:ff:ff index 0: RAW length 47, \
             beacon of 02:00:00:00:0a:01, serial 12345678",
        );
        assert_eq!(Beacon::parse(frame.payload), Some(beacon));
    }
}
