//! virtio-net, modern devices (virtio 1.2 §5.1), with own split rings.
//!
//! Frames go out by scatter-gather: the head is copied into a slot of the driver, the rest is read by the card where
//! it lies. Where the card has indirect descriptors a frame takes one entry of the ring, however many pieces it has,
//! else [`MAX_FRAGMENTS`]` + 1`. A table costs 7 instructions for a frame without fragments (335 instead of 328), saves 1 with
//! one fragment (368 instead of 369) and 17 with three (441 instead of 458), and makes room for 256 frames instead of 32, so
//! that a burst has one doorbell, which is an exit to the host. Frames come in to mergeable buffers, where the card has them:
//! that costs 22 instructions for a frame in one buffer (149 instead of 127) and 145 for one in two (271), and saves more than
//! half of the memory.
//!
//! Packed rings (§2.8) are not asked for. Taking a buffer from a split ring costs 38 instructions, and giving one some 20, which
//! is what a packed ring could save a part of: it spares a card behind a bus some reads of memory, and there is none of
//! that kind here to measure it on. (Instructions as valgrind counts them on x86-64; `tests/cards/cost.rs` prints them.)
//!
//! | file | what it knows |
//! |---|---|
//! | `open.rs`, `plan.rs` | opening a card; what it is started with, in the order of §3.1.1 |
//! | `options.rs` | what its owner chooses |
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
mod options;
mod pci;
mod plan;
#[allow(unsafe_code)]
mod receive;
mod ring;
mod transmit;
mod transport;

pub use net::VirtioNet;
pub use open::open;
pub use options::{Interrupts, VirtioOptions};
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
