#![no_std]
#![forbid(unsafe_code)]
//! The Open-MX wire format (MXoE): every frame as a typed value, parsed from bytes with all checks, built to bytes.
//!
//! This crate knows byte offsets, and nothing else in the project does. It allocates nothing, keeps nothing
//! and never panics on what it is given. Its neighbours: `board` and whoever looks at captures.
//! It refuses to know what a peer, an endpoint or a session *means*.
//!
//! Each family of frames has a file, with its structures, their bytes, their checks, how they are shown, and examples:
//!
//! | file | frames |
//! |---|---|
//! | `eager`, `medium`, `large` | TINY and SMALL; MEDIUM; RNDV and NOTIFY: together a [`Message`] of the library |
//! | `ack`, `connect`, `nack` | TRUC; CONNECT; NACK_LIB and NACK_MCP |
//! | `pull` | PULL and PULL_REPLY; `cuts` tells which bytes they carry |
//! | `host`, `raw` | HOST_QUERY and HOST_REPLY; RAW, and the [`Beacon`] in it |
//!
//! The bodies that say nothing of who sends them are the vocabulary of `mx-ring` and the library, too.
//!
//! * in: [`Frame::parse`]; [`PullBlock`] tells which replies a pull asks for;
//! * out: [`Packet::header`] for a payload that lies elsewhere, [`Frame::emit`] for a whole frame;
//!   [`PullFrames`] cuts a transfer into frames and blocks;
//! * shown: every structure by [`core::fmt::Display`], a [`Frame`] in one line.

mod ack;
mod address;
mod build;
mod connect;
mod cuts;
#[cfg(test)]
mod dissector;
mod eager;
mod envelope;
#[cfg(test)]
mod example;
mod format;
mod frame;
mod header;
mod host;
mod large;
mod medium;
mod message;
mod nack;
mod packet;
mod parse;
mod pull;
mod raw;

pub use ack::LibAck;
pub use address::{MacAddress, MacAddressError};
pub use build::{BuildError, Header};
pub use connect::{Connect, ConnectReply, ConnectRequest, ConnectStatus};
pub use cuts::{BlockReply, PullBlock, PullError, PullFrames, PullReplyError};
pub use eager::{Eager, SMALL_MAX, TINY_MAX};
pub use format::{Format, FormatError, Mode};
pub use frame::Frame;
pub use header::ETHERTYPE;
pub use host::{HOST_NAME_MAX, HostQuery, HostReply};
pub use large::{Notify, Pulled, Rendezvous};
pub use medium::Medium;
pub use message::{Content, FrameKind, Message};
pub use nack::{NackCode, NackLib, NackMcp};
pub use packet::{Ends, Packet};
pub use parse::ParseError;
pub use pull::{Pull, PullReply};
pub use raw::{Beacon, RAW_FRAME_MAX};
