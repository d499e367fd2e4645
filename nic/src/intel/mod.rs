//! Intel's cards with advanced descriptors: the 82576 ([`Igb`], 1 GbE) and the 82599 ([`Ixgbe`], 10 GbE).
//!
//! Descriptors, rings, filters and the [`Nic`](crate::Nic) are one implementation; a [`Chip`] is what differs: where
//! registers lie, and the order in which a card wants them written.
//!
//! | file | what it knows |
//! |---|---|
//! | `net.rs` | the card as a [`Nic`](crate::Nic): opening, stopping, recovery |
//! | `chip.rs` | what a chip must tell and do |
//! | `igb/`, `ixgbe/` | a chip each: `registers.rs` defines, `mod.rs` does |
//! | `receive.rs`, `transmit.rs` | the rings |
//! | `descriptor.rs` | the 16 bytes of a descriptor, the same on both chips |
//! | `filter.rs` | the addresses whose frames come in |
//! | `mmio.rs`, `pci.rs` | registers, and where PCI has them |
//!
//! Sections (§) are those of the *Intel 82576EB Gigabit Ethernet Controller Datasheet* and of the *Intel 82599 10 GbE
//! Controller Datasheet*. A register is named as there, so that the section's list leads to its description.

mod address;
mod chip;
mod descriptor;
mod filter;
mod igb;
mod ixgbe;
mod mmio;
mod net;
mod options;
mod pci;
#[allow(unsafe_code)]
mod receive;
mod transmit;

pub use chip::Chip;
pub use igb::Igb;
pub use mmio::Mmio;
pub use net::{IntelNic, open};
pub use options::{IntelOptions, Interrupts};
pub use pci::{drives_igb, drives_ixgbe, open_pci};
pub use transmit::{MAX_FRAGMENTS, MAX_HEAD};

pub use ixgbe::Ixgbe;
