//! What an honest mini is to send, and what came of it.

use mx_ring::Destination;
use mx_wire::MacAddress;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// 32 bytes in the descriptor.
    Tiny,
    /// 128 bytes behind it.
    Small,
    /// One frame, as long as they are.
    Medium,
    /// 64 KiB, pulled by the partner. A station is sent them as libraries send them, and sends them back.
    Large,
}

/// Where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A mini, which sends as much back.
    Partner(MacAddress),
    /// A station that may throw it away, unless it is large.
    Station(MacAddress),
}

/// What was done within the time that is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages that a partner has acknowledged, that were pulled, or that have left.
    pub done: u64,
    /// Bytes of each.
    pub size: u32,
    /// Messages that a partner's endpoint was there for, at any time; those that are pulled are not counted.
    pub sent: u64,
    /// Messages that came and were verified, at any time.
    pub verified: u64,
    /// Messages that came with other bytes than were sent.
    pub wrong: u64,
    /// Messages that did not come.
    pub lost: u64,
    /// Messages that came twice, or after a later one: a network may do that.
    pub doubled: u64,
    /// Milliseconds of the measured time in which there was nothing to do but wait for the driver domain and the partner.
    pub asleep: u64,
}

/// A stretch of messages.
pub struct Work {
    /// Of what size.
    pub size: Size,
    /// To whom, as the driver domain numbers them.
    pub peer: u16,
    /// The session of its endpoints.
    pub session: u32,
    /// Whether it answers: it is a partner.
    pub answers: bool,
    /// Bytes of a medium message.
    pub medium: u16,
}

impl Work {
    /// The other end of the endpoint of that number.
    pub fn to(&self, endpoint: u8) -> Destination {
        Destination {
            peer: self.peer,
            endpoint,
            session: self.session,
        }
    }
}
