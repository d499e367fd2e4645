//! What things of guests take of the heap, in bytes, at most.

use mx_ring::Geometry;

/// A connected device: its board with a full table of peers, 512 words of closed endpoints, 64 transfers that it answers, and
/// its own 64 slots for pulls.
pub const DEVICE: usize = 160 << 10;

/// A region, here and at the backend.
pub const REGION: usize = 512;

/// What the first of 64 neighbouring regions takes besides.
pub const REGION_GROUP: usize = 10 << 10;

/// A slot for a running pull, with its places in the lists of its endpoint.
pub const PULL: usize = 304;

/// A raw endpoint with a full queue.
pub const RAW: usize = 48 << 10;

/// An endpoint without regions: its words when it is closed, and a bit for each command.
pub const fn endpoint(geometry: &Geometry) -> usize {
    (16 << 10) + geometry.commands as usize / 8
}
