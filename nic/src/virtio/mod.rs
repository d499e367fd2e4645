//! virtio-net, modern devices (virtio 1.2 §5.1), with own split rings.
//!
//! Frames go out by scatter-gather: the head is copied into a slot of the driver, the rest is read by the card where
//! it lies. Where the card has indirect descriptors a frame takes one entry of the ring, however many pieces it has,
//! else [`MAX_FRAGMENTS`]` + 1`. Frames come in to buffers that take the longest frame whole, so mergeable buffers
//! are not asked for.
//!
//! | file | what it knows |
//! |---|---|
//! | `open.rs` | the order of initialisation (§3.1.1) |
//! | `net.rs` | the card as a [`Nic`](crate::Nic) |
//! | `receive.rs`, `transmit.rs`, `control.rs` | what lies in the buffers of each queue |
//! | `ring.rs` | the split ring (§2.7) |
//! | `transport.rs`, `pci.rs` | registers; where PCI has them (§4.1) |
//!
//! PCI enumeration, BARs and capabilities are those of `virtio-drivers`. Its own transport is not used: it panics or
//! spins for ever when a card describes itself wrongly or vanishes, needs three register accesses for each doorbell,
//! and knows no MSI-X vectors.

mod control;
mod features;
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

/// Queue of frames from the wire (§5.1.2).
const RECEIVE: u16 = 0;
/// Queue of frames to the wire.
const TRANSMIT: u16 = 1;
/// Queue of commands, where there is one pair of the others.
const CONTROL: u16 = 2;

/// Bytes of `struct virtio_net_hdr` (§5.1.6), which precedes every frame in both directions.
const NET_HEADER: usize = 12;
