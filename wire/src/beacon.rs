//! The beacon of Open-MX's discovery daemon `omxoed`: how boards find each other (wire.md §6.1).

use zerocopy::big_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{Frame, MacAddress, Packet};

/// A beacon: the payload of a RAW frame, broadcast by each board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beacon {
    /// The board's address, which Open-MX calls its NIC id.
    pub board: MacAddress,
    /// Chosen at random when the daemon starts: a new one means that the board was restarted.
    pub serial: u32,
}

/// F+17 to F+63.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Layout {
    pad17: [u8; 15],
    nic_id_high: U32,
    nic_id_low: U32,
    serial: U32,
    pad44: [u8; 20],
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
