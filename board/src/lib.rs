#![no_std]
#![forbid(unsafe_code)]
//! Open-MX boards without I/O: frames, commands and the time go in; frames, events and deadlines come out.
//!
//! A [`Switch`] holds the boards of one backend, one per guest. Each [`Board`] has its own address, name, peers,
//! endpoints and counters. Boards of the same switch reach each other without the card and without building frames.
//!
//! Neighbours: `mx-wire` knows the frames' bytes, `mx-ring` the vocabulary of commands and events; a backend
//! (`mx-backend`) implements [`Ports`]. The switch refuses to know a card, a grant, a clock or shared memory: it names
//! memory by [`Source`] and [`Extent`], and is told the time.

extern crate alloc;

mod admin;
mod allowance;
mod board;
mod claim;
mod counters;
mod deadlines;
mod departed;
mod discovery;
mod endpoint;
mod error;
mod hosts;
mod incoming;
mod key;
mod members;
mod misfits;
mod name;
mod outgoing;
mod peers;
mod ports;
mod pull;
mod random;
mod rate;
mod raw;
mod set;
mod share;
mod sharing;
mod switch;
mod time;
mod token_bucket;
mod turn;
mod warnings;
mod work;

pub use allowance::{BoardLimits, BoardUsage};
pub use board::Board;
pub use counters::Counters;
pub use error::{AddBoardError, ChangeError, EndpointError, RawError};
pub use key::{BoardId, EndpointKey, Extent, RegionInfo, Source};
pub use name::HostName;
pub use peers::{Peer, PeerLeft, PeerTable};
pub use ports::{BadMemory, Blame, CommandError, Full, NoRoom, Ports, Taken};
pub use rate::Rate;
pub use set::{BoardSet, EndpointSet, NumberSet};
pub use share::Progress;
pub use switch::{Settings, Switch};
pub use time::Instant;
pub use warnings::Warnings;
