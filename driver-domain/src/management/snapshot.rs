//! What the management shows: asked for chunk by chunk, when somebody reads it.

use core::time::Duration;

use mx_backend::HostName;
use mx_ring::Counter;
use mx_ring::warning::Notices;
use mx_wire::MacAddress;

use super::address::Own;
use crate::account::LIMITS;
use crate::capture::Capture;

/// Counters of a card that are shown.
pub const NIC_COUNTERS: usize = 10;

/// Values of a board's counters, by [`Counter::index`].
pub type Counts = [u64; Counter::ALL.len()];

/// The domain as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainSnapshot {
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
    /// Address of the card.
    pub mac: MacAddress,
    /// Address that the domain is managed by, while it has one.
    pub address: Option<Own>,
    /// State of the link.
    pub link_up: bool,
    /// Hypercalls of all kinds.
    pub hypercalls: u64,
    /// Frames in the card's transmit queue whose payload is a guest's.
    pub in_flight: usize,
    /// Frames that the card's transmit queue holds at most.
    pub transmit_slots: usize,
    /// What the card and its driver have counted: names as in Prometheus, and values.
    pub nic: [(&'static str, u64); NIC_COUNTERS],
}

impl DomainSnapshot {
    /// Place of the frames that came in among the card's counters.
    pub const RECEIVED_FRAMES: usize = 0;
    /// Of their bytes.
    pub const RECEIVED_BYTES: usize = 1;
    /// Of the frames that went out.
    pub const TRANSMITTED_FRAMES: usize = 2;
    /// Of their bytes.
    pub const TRANSMITTED_BYTES: usize = 3;
}

/// One board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardSnapshot {
    /// The name by which peers know the board.
    pub name: HostName,
    /// The Ethernet address.
    pub mac: MacAddress,
    /// Open endpoints.
    pub endpoints: usize,
    /// Of them, those whose queues are looked at in every turn.
    pub polled: usize,
    /// Pages of its guest that are mapped here.
    pub pages: usize,
    /// Peers that it knows.
    pub peers: u16,
    /// What it has found wrong with the network.
    pub notices: Notices,
    /// What its guest has of each thing that is limited, by [`crate::account::Limit`].
    pub usage: [Usage; LIMITS],
}

/// What a guest has of something that is limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// How much it has; nothing of what is only counted in a time.
    pub held: u32,
    /// How much it may have.
    pub limit: u32,
    /// How often it was refused more.
    pub refused: u32,
}

/// A peer of a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSnapshot {
    /// Its name; empty while it is not known.
    pub name: HostName,
    /// The Ethernet address.
    pub mac: MacAddress,
    /// It is a board of this domain, too.
    pub local: bool,
}

/// Frames of a board, summed up from its counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// To the network.
    pub sent: u64,
    /// From the network.
    pub received: u64,
    /// To other boards of this domain.
    pub shared: u64,
    /// That came and were not fit.
    pub dropped: u64,
}

/// Whether a counter counts frames that were not fit.
pub fn is_drop(counter: Counter) -> bool {
    counter.label().starts_with("Drop ")
}

impl Totals {
    /// From the counters of a board.
    pub fn of(counts: &Counts) -> Self {
        let mut totals = Self::default();
        for (counter, count) in Counter::ALL.into_iter().zip(counts) {
            let label = counter.label();
            let sum = if is_drop(counter) {
                &mut totals.dropped
            } else if label.starts_with("Shared ") {
                &mut totals.shared
            } else if counter.index() <= Counter::SendHostReply.index() {
                &mut totals.sent
            } else if counter.index() <= Counter::RecvHostReply.index() {
                &mut totals.received
            } else {
                continue;
            };
            *sum = sum.saturating_add(*count);
        }
        totals
    }
}

/// Whatever the domain can be read from as it is at this moment.
pub trait Snapshot {
    /// The domain as a whole.
    fn domain(&self) -> DomainSnapshot;
    /// The board of this number, counted from 0 among those that are there.
    fn board(&self, number: usize) -> Option<BoardSnapshot>;
    /// The counters of such a board.
    fn counts(&self, number: usize) -> Option<Counts>;
    /// The last frames, where they are kept.
    fn capture(&self) -> Option<&Capture> {
        None
    }
    /// A peer of such a board.
    fn peer(&self, number: usize, index: u16) -> Option<PeerSnapshot>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_counter_has_its_sum() {
        let mut counts = [0; Counter::ALL.len()];
        for (counter, count) in [
            (Counter::SendTiny, 1),
            (Counter::SendHostReply, 2),
            (Counter::RecvTiny, 10),
            (Counter::RecvHostReply, 20),
            (Counter::DmaRecvPullReply, 1_000_000),
            (Counter::PullTimeoutAbort, 1_000_000),
            (Counter::DropBadSession, 100),
            (Counter::DropUnknownPacketType, 200),
            (Counter::SharedTiny, 1000),
            (Counter::SharedPull, 2000),
        ] {
            counts[counter.index()] = count;
        }
        let expected = Totals {
            sent: 3,
            received: 30,
            shared: 3000,
            dropped: 300,
        };
        assert_eq!(Totals::of(&counts), expected);
    }
}
