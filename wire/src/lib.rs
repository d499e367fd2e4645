#![no_std]
#![forbid(unsafe_code)]
//! The Open-MX wire format (MXoE): every frame as a typed value, parsed from bytes with all checks, built to bytes.
//!
//! This crate knows byte offsets, and nothing else in the project does. It allocates nothing, keeps nothing
//! and never panics on what it is given. Its neighbours: `board` and whoever looks at captures.
//! It refuses to know what a peer, an endpoint or a session *means*.
//!
//! * in: [`Frame::parse`]; [`PullBlock`] tells which replies a pull asks for;
//! * out: [`Packet::header`] for a payload that lies elsewhere, [`Frame::emit`] for a whole frame;
//!   [`PullFrames`] cuts a transfer into frames and blocks;
//! * [`Beacon`] is what discovery puts into RAW frames.

mod address;
mod beacon;
mod body;
mod build;
mod check;
mod format;
mod frame;
mod layout;
mod packet;
mod parse;
mod pull;

pub use address::MacAddress;
pub use beacon::Beacon;
pub use build::{BuildError, Header};
pub use format::{Format, FormatError, Mode};
pub use frame::Frame;
pub use layout::ETHERTYPE;
pub use packet::{
    Connect, ConnectReply, ConnectRequest, Ends, HostQuery, HostReply, LibAck, Medium, Message,
    NackLib, NackMcp, Notify, Packet, Pull, PullReply, Rendezvous,
};
pub use parse::ParseError;
pub use pull::{BlockReply, PullBlock, PullError, PullFrames, PullReplyError};
