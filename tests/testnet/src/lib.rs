#![no_std]
#![forbid(unsafe_code)]
//! The network of the tests. Frames go from one port of a [`Network`] to all others, in virtual time: it stands still
//! until a test moves it. [`Faults`] say which share of them is lost, doubled, delayed, changed or cut; the same seed
//! makes the same faults.
//!
//! ```
//! use mx_testnet::{Faults, Network};
//!
//! let mut network = Network::new(2, Faults::NONE, 1);
//! network.send(0, b"a frame");
//! assert_eq!(network.receive(1), None);
//! network.advance(network.next().expect("a frame is under way"));
//! assert_eq!(network.receive(1).as_deref(), Some(&b"a frame"[..]));
//! ```
//!
//! Neighbours: the tests of every crate that speaks to a network, and the fakes that these crates offer to tests. It
//! refuses to look into frames.

extern crate alloc;

mod faults;
mod network;

pub use faults::{Arrival, Faults};
pub use network::{Network, Tally};
