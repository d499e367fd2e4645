//! How boards, endpoints and memory are named between the switch and its backend.

use mx_ring::RegionKey;

/// Boards that a backend can hold.
pub(crate) const BOARDS: usize = 1024;

/// A board of this backend. A number is used again only after its board was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BoardId(pub u16);

/// An endpoint of this backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointKey {
    /// The board on which it is open.
    pub board: BoardId,
    /// Its index on that board.
    pub endpoint: u8,
}

/// A span of an endpoint's registered memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Whose region.
    pub owner: EndpointKey,
    /// Which region.
    pub region: RegionKey,
    /// First byte, from the region's start.
    pub offset: u32,
    /// Bytes.
    pub length: u32,
}

/// What a region allows, as its backend knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionInfo {
    /// Bytes.
    pub length: u32,
    /// Whether the network may write it.
    pub writable: bool,
}

/// Where a payload lies. All but `Bytes` is memory of a process, which may change while it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// Private memory: part of a received frame, or of a command.
    Bytes(&'a [u8]),
    /// The command-data slot of a command.
    CommandData {
        /// Whose command.
        owner: EndpointKey,
        /// The command's free-running index.
        index: u32,
        /// Bytes, at most 128.
        length: u8,
    },
    /// Part of an endpoint's transmit area.
    Transmit {
        /// Whose transmit area.
        owner: EndpointKey,
        /// The free-running index of the command that names it.
        index: u32,
        /// First byte, from the area's start.
        offset: u32,
        /// Bytes.
        length: u16,
    },
    /// Part of a region.
    Region(Extent),
}

impl Source<'_> {
    /// No payload.
    pub const NONE: Source<'static> = Source::Bytes(&[]);

    /// Bytes of the payload.
    pub const fn length(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::CommandData { length, .. } => *length as usize,
            Self::Transmit { length, .. } => *length as usize,
            Self::Region(extent) => extent.length as usize,
        }
    }
}
