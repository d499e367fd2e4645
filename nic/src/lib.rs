//! Network cards, as the backend of a board sees them: the [`Nic`] trait, the memory that cards read and write
//! ([`dma`]), and the drivers.
//!
//! | module | card |
//! |---|---|
//! | [`intel`] | 82576 (`igb`) and 82599 (`ixgbe`) |
//! | [`virtio`] | virtio-net, modern, over PCI (virtio 1.2) |
//! | `fake`, behind the feature of that name | a pair of cards in memory with seeded loss, reordering, duplication, corruption and truncation |
//!
//! **Why it exists**: a board wants bursts, scatter-gather out of pages of guests, and an interrupt only while it
//! sleeps; no crate offers that for a bare machine.
//!
//! **Neighbours**: below, a [`Platform`] (DMA memory, registers, pauses) and PCI configuration space; above, the
//! backend that owns the card. Neither the board nor Xen is known here.
//!
//! `examples/echo.rs` uses a card; `docs/adding-a-nic-driver.md` says how one is added.
//!
//! **What it refuses**: to know what a frame means, to block, to allocate after opening, and to believe a card. An
//! index, identifier or length that cannot be stops the card with a typed [`Fault`]; it never reaches memory and
//! never ends the program.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

#[allow(unsafe_code)]
pub mod dma;
mod error;
#[cfg(feature = "fake")]
pub mod fake;
mod hang;
pub mod intel;
mod nic;
#[allow(unsafe_code)]
mod platform;
pub mod virtio;

pub use error::{Fault, OpenError, TransmitError};
pub use nic::{
    Armed, Capabilities, Fragment, LinkState, MIN_FRAME, MacAddress, Nic, Reception, Statistics,
    Token,
};
use nic::{ETHERNET_HEADER, Received, frame_length};
pub use platform::{HeapPlatform, Platform, Registers};
