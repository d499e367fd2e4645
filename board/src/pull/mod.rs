//! Large messages: the puller's side over the wire, the replier's side, and the short way between local boards
//! (protocol.md §13).

mod block;
mod local;
mod packets;
mod patience;
mod puller;
mod replier;
mod round_trip;
mod table;

pub(crate) use local::{COPY_SLICE, LocalPull};
pub(crate) use puller::WirePull;
pub(crate) use replier::{ReplyJobs, Transfer};
pub(crate) use round_trip::RoundTrip;
pub(crate) use table::{Attention, PullTable};

use mx_ring::RegionKey;

/// How a pull ended: `Event::PullDone`'s status (protocol.md §1).
pub(crate) mod status {
    pub const OK: u8 = 0;
    pub const BAD_ENDPOINT: u8 = 1;
    pub const CLOSED: u8 = 2;
    pub const BAD_SESSION: u8 = 3;
    pub const BAD_WINDOW: u8 = 4;
    pub const ABORTED: u8 = 5;
    pub const TIMEOUT: u8 = 6;
}

/// What a process asked for: which bytes, and where to put them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PullOrder {
    pub cookie: u32,
    /// The window's owner.
    pub peer: u16,
    pub endpoint: u8,
    pub session: u32,
    pub window: u8,
    pub window_seqnum: u8,
    pub window_offset: u32,
    /// Own memory that receives.
    pub region: RegionKey,
    pub region_offset: u32,
    pub length: u32,
}
