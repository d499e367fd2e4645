//! One board: its address, peers, endpoints, counters and timers.

use alloc::boxed::Box;
use alloc::vec::Vec;

use mx_records::record;
use mx_ring::Counter;
use mx_wire::MacAddress;

use crate::allowance::Allowance;
use crate::counters::Counters;
use crate::departed::Departed;
use crate::discovery::Discovery;
use crate::endpoint::EndpointRecord;
use crate::key::{BoardId, EndpointKey};
use crate::name::HostName;
use crate::peers::PeerTable;
use crate::set::EndpointSet;
use crate::share::{Order, Share};
use crate::time::Instant;
use crate::warnings::Warnings;

/// Endpoint indices are bytes.
const ENDPOINTS: usize = 256;

/// A board of this backend.
#[derive(Debug)]
pub struct Board {
    pub(crate) id: BoardId,
    pub(crate) mac: MacAddress,
    pub(crate) name: HostName,
    pub(crate) peers: PeerTable,
    pub(crate) counters: Counters,
    pub(crate) warnings: Warnings,
    pub(crate) discovery: Discovery,
    /// Drops whatever it receives: its guest has not registered its endpoints yet.
    pub(crate) muted: bool,
    /// Somebody has declared the peer table complete.
    pub(crate) peers_marked: bool,
    pub(crate) share: Share,
    /// Which of its endpoints is served next.
    pub(crate) order: Order,
    /// Endpoints whose command queues are looked at in every turn.
    pub(crate) polled: EndpointSet,
    /// Endpoints for which it has something to do.
    pub(crate) active: EndpointSet,
    /// A timer has run out.
    pub(crate) due: bool,
    /// It may have other work, or other timers, than its switch knows of.
    pub(crate) stirred: bool,
    /// What closed endpoints have left to be said.
    pub(crate) departed: Departed,
    /// What it may have of what all boards share, and has.
    pub(crate) allowance: Allowance,
    endpoints: Vec<Option<Box<EndpointRecord>>>,
    /// No pull's timer is due before.
    pull_timer: Option<Instant>,
}

impl Board {
    pub(crate) fn new(
        now: Instant,
        id: BoardId,
        mac: MacAddress,
        name: HostName,
        peer_max: u16,
        serial: u32,
    ) -> Self {
        let mut endpoints = Vec::new();
        endpoints.resize_with(ENDPOINTS, || None);
        Self {
            id,
            mac,
            name,
            peers: PeerTable::new(peer_max),
            counters: Counters::new(),
            warnings: Warnings::default(),
            discovery: Discovery::new(now, serial),
            muted: false,
            peers_marked: false,
            share: Share::default(),
            order: Order::default(),
            polled: EndpointSet::default(),
            active: EndpointSet::default(),
            due: false,
            stirred: false,
            departed: Departed::default(),
            allowance: Allowance::new(),
            endpoints,
            pull_timer: None,
        }
    }

    /// The Ethernet address by which other boards reach this one.
    pub const fn mac(&self) -> MacAddress {
        self.mac
    }

    /// The name that others learn when they ask, as `guest1:0`.
    pub const fn name(&self) -> &HostName {
        &self.name
    }

    /// Whom it knows. Index 0 is itself.
    pub const fn peers(&self) -> &PeerTable {
        &self.peers
    }

    /// What it counted.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What it has found wrong with the network.
    pub const fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    /// How many of its endpoints are polled.
    pub fn polled(&self) -> usize {
        self.polled.len()
    }

    /// Whether it drops whatever it receives.
    pub const fn is_muted(&self) -> bool {
        self.muted
    }

    /// Whether somebody has declared the peer table complete.
    pub const fn are_peers_marked(&self) -> bool {
        self.peers_marked
    }

    pub(crate) fn count(&mut self, counter: Counter) {
        self.counters.count(counter);
    }

    pub(crate) fn key(&self, endpoint: u8) -> EndpointKey {
        EndpointKey {
            board: self.id,
            endpoint,
        }
    }

    pub(crate) fn endpoint(&self, endpoint: u8) -> Option<&EndpointRecord> {
        self.endpoints.get(usize::from(endpoint))?.as_deref()
    }

    pub(crate) fn endpoint_mut(&mut self, endpoint: u8) -> Option<&mut EndpointRecord> {
        self.endpoints
            .get_mut(usize::from(endpoint))?
            .as_deref_mut()
    }

    pub(crate) fn open(&self) -> impl Iterator<Item = &EndpointRecord> {
        self.endpoints.iter().flatten().map(Box::as_ref)
    }

    /// Opens or, with `None`, closes an endpoint.
    pub(crate) fn set_endpoint(&mut self, endpoint: u8, state: Option<EndpointRecord>) {
        self.polled.remove(endpoint.into());
        if let Some(place) = self.endpoints.get_mut(usize::from(endpoint)) {
            *place = state.map(Box::new);
        }
        self.touched(endpoint);
    }

    /// An endpoint's jobs or pulls have changed: notes whether it wants a turn, and its timers.
    pub(crate) fn touched(&mut self, endpoint: u8) {
        let (works, timer) = self.endpoint(endpoint).map_or((false, None), |endpoint| {
            let timers = [endpoint.pulls.timer(), endpoint.replies.timer()];
            (endpoint.has_work(), timers.into_iter().flatten().min())
        });
        self.active.set(endpoint.into(), works);
        self.stirred = true;
        if let Some(at) = timer {
            self.pull_timer = Some(self.pull_timer.map_or(at, |timer| timer.min(at)));
        }
    }

    /// Whether there is anything to do, or to look at, now.
    #[inline]
    pub(crate) const fn is_ready(&self) -> bool {
        self.due || !self.polled.is_empty() || !self.active.is_empty()
    }

    /// The endpoints that have something to do, or are to be looked at.
    #[inline]
    pub(crate) fn turns(&self) -> EndpointSet {
        self.polled.with(&self.active)
    }

    /// If a timer of pulls, or of what is put aside, has run out: finds out whose, for their next turns. Whether it had.
    pub(crate) fn begin_retries(&mut self, now: Instant) -> bool {
        if self.pull_timer.is_none_or(|timer| now < timer) {
            return false;
        }
        self.pull_timer = None;
        for endpoint in 0..=u8::MAX {
            if let Some(open) = self.endpoint_mut(endpoint) {
                open.replies.look_again(now);
                open.pulls.begin_retry(now);
                self.touched(endpoint);
            }
        }
        true
    }

    /// Looks at some more clocks of an endpoint's pulls.
    pub(crate) fn retry_pulls(&mut self, now: Instant, endpoint: u8) {
        let Some(open) = self.endpoint_mut(endpoint) else {
            return;
        };
        let found = open.pulls.retry(now);
        for (times, counter) in [
            (
                found.first_blocks,
                Counter::PullTimeoutHandlerRequestsFirstBlock,
            ),
            (
                found.other_blocks,
                Counter::PullTimeoutHandlerRequestsNonFirstBlock,
            ),
            (found.given_up, Counter::PullTimeoutAbort),
        ] {
            for _ in 0..times {
                self.count(counter);
                record!(debug, "{}: {}", self.name, counter.label());
            }
        }
    }

    /// When its next timer is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let discovery = (!self.muted).then(|| self.discovery.deadline(self.peers.has_nameless()));
        [self.pull_timer, discovery, self.departed.timer()]
            .into_iter()
            .flatten()
            .min()
    }
}
