#![no_std]
#![forbid(unsafe_code)]
//! The Open-MX wire format (MXoE): every frame as a typed value, parsed from bytes with all checks, built to bytes.
//!
//! This crate knows byte offsets, and nothing else in the project does. It allocates nothing, keeps nothing
//! and never panics on what it is given. Its neighbours: `board` and whoever looks at captures.
//! It refuses to know what a peer, an endpoint or a session *means*.

mod address;
mod format;
mod packet;

pub use address::MacAddress;
pub use format::{Format, FormatError, Mode};
pub use packet::{
    Connect, ConnectReply, ConnectRequest, Ends, HostQuery, HostReply, LibAck, Medium, Message,
    NackLib, NackMcp, Notify, Packet, Pull, PullReply, Rendezvous,
};
