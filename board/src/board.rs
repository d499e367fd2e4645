//! One board: its address, peers, endpoints, counters and timers.

use alloc::boxed::Box;
use alloc::vec::Vec;

use mx_records::record;
use mx_ring::Counter;
use mx_wire::MacAddress;

use crate::counters::Counters;
use crate::departed::Departed;
use crate::discovery::Discovery;
use crate::endpoint::EndpointRecord;
use crate::key::{BoardId, EndpointKey};
use crate::name::HostName;
use crate::peers::PeerTable;
use crate::random::Random;
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
    pub(crate) random: Random,
    /// Drops whatever it receives: its guest has not registered its endpoints yet.
    pub(crate) muted: bool,
    /// Somebody has declared the peer table complete.
    pub(crate) peers_marked: bool,
    /// Bytes that it may still move in this turn; negative when it moved too many in the last.
    pub(crate) credit: i64,
    /// What closed endpoints have left to be said.
    pub(crate) departed: Departed,
    endpoints: Vec<Option<Box<EndpointRecord>>>,
    /// A bit per endpoint that has work.
    active: [u64; ENDPOINTS / 64],
    /// The endpoint whose turn is next.
    cursor: u8,
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
        seed: u64,
    ) -> Self {
        let mut random = Random::new(seed);
        let serial = random.next() as u32;
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
            random,
            muted: false,
            peers_marked: false,
            credit: 0,
            departed: Departed::default(),
            endpoints,
            active: [0; ENDPOINTS / 64],
            cursor: 0,
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

    /// Opens or, with `None`, closes an endpoint.
    pub(crate) fn set_endpoint(&mut self, endpoint: u8, state: Option<EndpointRecord>) {
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
        if let Some(word) = self.active.get_mut(usize::from(endpoint) / 64) {
            let bit = 1 << (endpoint % 64);
            *word = if works { *word | bit } else { *word & !bit };
        }
        if let Some(at) = timer {
            self.pull_timer = Some(self.pull_timer.map_or(at, |timer| timer.min(at)));
        }
    }

    /// Whether any endpoint has work.
    #[inline]
    pub(crate) fn has_work(&self) -> bool {
        let [a, b, c, d] = self.active;
        a | b | c | d != 0
    }

    /// Whether there is anything to do now.
    #[inline]
    pub(crate) fn wants_turn(&self, now: Instant) -> bool {
        self.has_work()
            || self.pull_timer.is_some_and(|timer| now >= timer)
            || self.departed.timer().is_some_and(|timer| now >= timer)
            || (!self.muted && now >= self.discovery.deadline(self.peers.has_nameless()))
    }

    /// The endpoint with work whose turn it is, and how many after the cursor it lies. `passed` endpoints after the
    /// cursor have had their turn.
    pub(crate) fn next_active(&self, passed: u16) -> Option<(u8, u16)> {
        (passed..ENDPOINTS as u16).find_map(|distance| {
            let endpoint = self.cursor.wrapping_add(distance as u8);
            let word = self.active.get(usize::from(endpoint) / 64)?;
            (word & 1 << (endpoint % 64) != 0).then_some((endpoint, distance))
        })
    }

    /// The next turn starts with the endpoint after this one.
    pub(crate) fn turn_ended_at(&mut self, endpoint: u8) {
        self.cursor = endpoint.wrapping_add(1);
    }

    /// Looks at the clock for all pulls and what is put aside.
    pub(crate) fn retry_pulls(&mut self, now: Instant) {
        if self.pull_timer.is_none_or(|timer| now < timer) {
            return;
        }
        self.pull_timer = None;
        for endpoint in 0..=u8::MAX {
            let Some(open) = self.endpoint_mut(endpoint) else {
                continue;
            };
            open.replies.look_again(now);
            let found = open.pulls.retry(now);
            self.touched(endpoint);
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
