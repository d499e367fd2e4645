//! virtio-net, modern devices (virtio 1.2 §5.1), with own split rings.
//!
//! Frames go out by scatter-gather: the head is copied into a slot of the driver, the rest is read by the card where
//! it lies. Where the card has indirect descriptors a frame takes one entry of the ring, however many pieces it has,
//! else [`MAX_FRAGMENTS`]` + 1`. Frames come in to mergeable buffers of a page, where the card has them, else to buffers
//! that take the longest frame whole.
//!
//! Packed rings (§2.8) are not asked for. They save memory accesses that miss a cache of a card behind a bus; the
//! driver's own work on a split ring is small beside what it does for a frame otherwise (`examples/cost.rs` counts it).
//!
//! | file | what it knows |
//! |---|---|
//! | `open.rs` | the order of initialisation (§3.1.1) |
//! | `net.rs` | the card as a [`Nic`](crate::Nic) |
//! | `receive.rs`, `transmit.rs`, `control.rs` | what lies in the buffers of each queue |
//! | `filter.rs` | the addresses whose frames are wanted |
//! | `ring.rs` | the split ring (§2.7) |
//! | `transport.rs`, `pci.rs` | registers; where PCI has them (§4.1) |
//!
//! PCI enumeration, BARs and capabilities are those of `virtio-drivers`. Its own transport is not used: it panics or
//! spins for ever when a card describes itself wrongly or vanishes, needs three register accesses for each doorbell,
//! and knows no MSI-X vectors.

mod control;
mod features;
mod filter;
mod net;
mod open;
mod pci;
#[allow(unsafe_code)]
mod receive;
mod ring;
mod transmit;
mod transport;

pub use net::VirtioNet;
pub use open::{Interrupts, Options, open};
pub use pci::{PciTransport, drives, open_pci};
pub use transmit::{MAX_FRAGMENTS, MAX_HEAD};
pub use transport::{RingAddresses, Transport};

/// Queue of frames from the wire of a pair (§5.1.2).
const fn receive_queue(pair: u16) -> u16 {
    2 * pair
}

/// Queue of frames to the wire of a pair.
const fn transmit_queue(pair: u16) -> u16 {
    2 * pair + 1
}

/// Bytes of `struct virtio_net_hdr` (§5.1.6), which precedes every frame in both directions.
const NET_HEADER: usize = 12;
