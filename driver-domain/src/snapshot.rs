//! The running domain as its management shows it.

use core::time::Duration;

use mx_backend::{Backend, BoardId, BoardUsage};
use mx_ring::Counter;
use mx_wire::{Format, MacAddress, Mode};
use xen_pv_boot::{clock, counters};

use crate::account::{Account, LIMITS, Limit};
use crate::capture::Capture;
use crate::frontends::Frontends;
use crate::management::Own;
use crate::management::snapshot::{
    BoardSnapshot, Counts, DomainSnapshot, PeerSnapshot, Snapshot, Usage,
};
use crate::wire_link::Wire;

/// What the domain knows of itself.
pub struct Description {
    /// Number of the domain.
    pub domain: u32,
    /// Wire mode and MTU.
    pub format: Format,
    /// Driver of the card.
    pub driver: &'static str,
    /// Address of the card.
    pub mac: MacAddress,
    /// Address of the management, while it has one.
    pub address: Option<Own>,
    /// When the domain started.
    pub started: Duration,
    /// How long it slept since.
    pub asleep: Duration,
}

/// All of the domain, to be looked at.
pub struct RunningDomain<'a> {
    pub description: &'a Description,
    pub backend: &'a Backend,
    pub wire: &'a Wire,
    pub frontends: &'a Frontends,
    pub capture: Option<&'a Capture>,
}

impl RunningDomain<'_> {
    fn place(&self, number: usize) -> Option<(BoardId, usize)> {
        let (board, _, pages) = self.frontends.boards().nth(number)?;
        Some((board, pages))
    }
}

/// What a guest has, with that of one of its boards.
fn usage(account: &Account, board: &BoardUsage) -> [Usage; LIMITS] {
    let limits = account.limits();
    Limit::ALL.map(|limit| {
        let (held, refused) = match limit {
            Limit::Pulls => (board.pulls, board.pulls_refused),
            Limit::Nacks => (0, board.nacks_refused),
            Limit::Heap => (
                account.held(limit).div_ceil(1024) as u32,
                account.refused(limit),
            ),
            _ => (account.held(limit) as u32, account.refused(limit)),
        };
        Usage {
            held,
            limit: limits.get(limit),
            refused,
        }
    })
}

impl Snapshot for RunningDomain<'_> {
    fn domain(&self) -> DomainSnapshot {
        let description = self.description;
        let nic = self.wire.statistics();
        DomainSnapshot {
            domain: description.domain,
            now: clock::now(),
            asleep: description.asleep,
            started: description.started,
            wire: match description.format.mode() {
                Mode::Native => "native",
                Mode::MxWire => "mx",
            },
            mtu: description.format.mtu(),
            driver: description.driver,
            mac: description.mac,
            address: description.address,
            link_up: self.wire.link() == Some(true),
            hypercalls: counters::hypercalls(),
            in_flight: self.wire.in_flight(),
            transmit_slots: self.wire.transmit_slots(),
            nic: [
                ("received_frames", nic.received_frames),
                ("received_bytes", nic.received_bytes),
                ("transmitted_frames", nic.transmitted_frames),
                ("transmitted_bytes", nic.transmitted_bytes),
                ("received_short", nic.received_short),
                ("received_long", nic.received_long),
                ("received_bad", nic.received_bad),
                ("received_missed", nic.received_missed),
                ("transmit_full", nic.transmit_full),
                ("doorbells", nic.doorbells),
            ],
        }
    }

    fn board(&self, number: usize) -> Option<BoardSnapshot> {
        let (board, pages) = self.place(number)?;
        let (mac, name) = self.backend.board(board)?;
        let (endpoints, polled) = self.backend.endpoints(board)?;
        Some(BoardSnapshot {
            name,
            mac,
            endpoints,
            polled,
            pages,
            peers: self.backend.peers(board)?.count(),
            notices: *self.backend.notices(board)?,
            usage: usage(
                self.frontends.account_of(number)?,
                &self.backend.usage(board)?,
            ),
        })
    }

    fn counts(&self, number: usize) -> Option<Counts> {
        let (board, _) = self.place(number)?;
        let counters = self.backend.counters(board)?;
        Some(Counter::ALL.map(|counter| counters.get(counter).into()))
    }

    fn capture(&self) -> Option<&Capture> {
        self.capture
    }

    fn peer(&self, number: usize, index: u16) -> Option<PeerSnapshot> {
        let (board, _) = self.place(number)?;
        let peer = self.backend.peers(board)?.get(index)?;
        Some(PeerSnapshot {
            name: *peer.name(),
            mac: peer.mac(),
            local: peer.local().is_some(),
        })
    }
}
