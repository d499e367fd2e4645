//! Large messages: the puller's side over the wire, the replier's side, and the short way between local boards
//! (protocol.md §13).

mod backoff;
mod block;
mod local;
mod packets;
mod puller;
mod replier;
mod round_trip;
mod table;

pub(crate) use local::LocalPull;
pub(crate) use puller::WirePull;
pub(crate) use replier::{GIVEN_UP, ReplyJobs, TRANSFERS, Transfer};
pub(crate) use round_trip::RoundTrip;
pub(crate) use table::{ALLOTMENT, Attention, PullTable};
