//! What the management shows: asked for piece by piece, when somebody reads it.

use core::time::Duration;

use mx_home::HostName;
use mx_ring::Counter;
use mx_wire::MacAddress;

/// Counters of a card that are shown.
pub const CARD_COUNTERS: usize = 10;

/// The domain as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainFacts {
    /// Number of the domain.
    pub domain: u32,
    /// Time since Xen started.
    pub now: Duration,
    /// Of it, time that the domain slept since it started.
    pub asleep: Duration,
    /// When the domain started.
    pub started: Duration,
    /// `native` or `mx`.
    pub wire: &'static str,
    /// Longest frame in bytes.
    pub mtu: u16,
    /// Driver of the card.
    pub driver: &'static str,
    /// State of the link.
    pub link_up: bool,
    /// Hypercalls of all kinds.
    pub hypercalls: u64,
    /// Frames in the card's transmit queue whose payload is a guest's.
    pub in_flight: usize,
    /// What the card and its driver have counted: names as in Prometheus, and values.
    pub card: [(&'static str, u64); CARD_COUNTERS],
}

/// One board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardFacts {
    /// Its name.
    pub name: HostName,
    /// Its address.
    pub mac: MacAddress,
    /// Open endpoints.
    pub endpoints: usize,
    /// Of them, those whose queues are looked at in every turn.
    pub polled: usize,
    /// Pages of its guest that are mapped here.
    pub pages: usize,
    /// Peers that it knows.
    pub peers: u16,
}

/// A peer of a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerFacts {
    /// Its name; empty while it is not known.
    pub name: HostName,
    /// Its address.
    pub mac: MacAddress,
    /// It is a board of this domain, too.
    pub local: bool,
}

/// Who knows all of it.
pub trait Facts {
    /// The domain.
    fn domain(&self) -> DomainFacts;
    /// The board of this number, counted from 0 among those that are there.
    fn board(&self, number: usize) -> Option<BoardFacts>;
    /// A counter of such a board.
    fn counter(&self, number: usize, counter: Counter) -> u64;
    /// A peer of such a board.
    fn peer(&self, number: usize, index: u16) -> Option<PeerFacts>;
}
