#![forbid(unsafe_code)]
//! The library of Open-MX: messages between endpoints over Ethernet, without a system call per message.
//!
//! An application opens an [`Endpoint`] of a [`Board`], connects to others, posts sends and receives and asks for their
//! completion. The protocol (order, acknowledgements, retransmission, matching, reassembly, rendezvous) is `mx-engine`'s and
//! runs in the application's calls; frames, peers and the transfer of large messages are the affair of its board, which
//! lives in the driver domain of the Xen host or in `omxd` ([`Backend`]). The two share memory through `mx-ring`.
//!
//! C programs reach it through `libopen-mx`; the tools (`omx_info`, `omx_perf`, …) are programs on it.
//!
//! It refuses to know frames, cards and Xen, and to believe what the shared pages say without a check.

#[macro_use]
extern crate omx_output;

mod backend;
pub mod board;
mod clock;
mod endpoint;
pub mod environment;
mod error;
#[cfg(feature = "fake")]
pub mod fake;
mod lack;
pub mod raw;
#[cfg(test)]
mod tests;

pub use backend::Backend;
pub use board::Board;
pub use endpoint::{
    Address, Buffer, Endpoint, EndpointOptions, Request, Sleep, Status, UnexpectedHandler,
    UnexpectedMessage,
};
pub use error::Error;
pub use mx_engine::{Action, Claim, Code, ContextIds, Memory, PartnerKey};
