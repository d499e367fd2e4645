#![no_std]
#![forbid(unsafe_code)]
//! What both backends of a board (the driver domain, and `omxd` on Linux) do alike: take commands from endpoints'
//! queues, give them to the switch, resolve the memory that it names, deliver events, publish the board pages, and do
//! all of it in bounded turns.
//!
//! Neighbours: `mx-board` decides, `mx-ring` touches shared memory, the backend's owner brings a [`FrameSink`] to the
//! wire and the [`Sleepers`] behind the endpoints. It refuses to know how memory got mapped, and what a card is.

extern crate alloc;

mod backend;
mod endpoint;
mod error;
#[cfg(feature = "fake")]
pub mod fake;
mod frame_sink;
mod in_flight;
mod ports;
mod publish;
mod raw;
mod region;
mod senders;
mod serve;
mod tap;

pub use backend::{Backend, BackendConfig, Completion};
pub use error::{Misbehaviour, RegionError};
pub use frame_sink::{FrameSink, Handed, Payload, Sleepers, Token};
pub use mx_board::{
    AddBoardError, BoardId, BoardLimits, BoardSet, BoardUsage, ChangeError, EndpointError,
    EndpointKey, Full, HostName, Instant, PeerTable, Rate, RawError,
};
pub use publish::InterfaceState;
pub use serve::Activity;
pub use tap::Tap;
