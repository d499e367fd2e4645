#![forbid(unsafe_code)]
//! Whole fabrics in virtual time: the library's engine, real shared memory, real backends and boards, over a network
//! that loses, doubles, delays, flips and cuts frames. No socket, no thread, no clock: the same seed gives the same
//! run.
//!
//! Neighbours: everything but the two backends' owners, whose part (descriptors, grants, cards) it plays. It refuses to
//! judge: the tests do.

pub mod counted;
mod death;
mod fabric;
mod long;
pub mod ping_pong;
mod process;
pub mod program;
pub mod soak;
mod strangers;
mod takeover;
mod traffic;

pub use death::{Death, Omission, Torn};
pub use fabric::{BoardPlace, Fabric, Shared};
pub use long::{Carried, carry};
pub use mx_backend::EndpointKey;
pub use mx_testnet::Faults;
pub use process::Process;
pub use takeover::Takeovers;
pub use traffic::{Message, Outcomes, Traffic, Until, connect_all};
