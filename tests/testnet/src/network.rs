//! Ports, the frames under way between them, and the time.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use fastrand::Rng;

use crate::Faults;

/// What a network did so far, in frames. A frame to several ports counts once for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Sent to a port.
    pub sent: u64,
    /// Arrived, duplicates included.
    pub arrived: u64,
    /// Lost on their way.
    pub lost: u64,
    /// Lost because the port held [`Network::receive_slots`] frames already.
    pub overrun: u64,
    /// Doubled.
    pub duplicated: u64,
    /// Delayed.
    pub reordered: u64,
    /// Changed.
    pub corrupted: u64,
    /// Cut.
    pub truncated: u64,
}

/// A segment with a number of ports: what one sends, all others receive.
#[derive(Debug)]
pub struct Network {
    /// How bad it is, for frames that are sent from now on.
    pub faults: Faults,
    /// How long a frame is under way.
    pub latency: Duration,
    /// How much longer one is under way that others overtake, at most.
    pub lateness: Duration,
    /// Frames that a port holds until they are received; more are lost.
    pub receive_slots: usize,
    now: Duration,
    random: Rng,
    /// By time of arrival, and by number where that is the same: to which port, and what.
    flying: BTreeMap<(Duration, u64), (usize, Vec<u8>)>,
    next_number: u64,
    arrived: Vec<VecDeque<Vec<u8>>>,
    tally: Tally,
}

impl Network {
    /// A network of `ports` ports, at time 0. The same seed makes the same faults.
    pub fn new(ports: usize, faults: Faults, seed: u64) -> Self {
        Self {
            faults,
            latency: Duration::from_micros(20),
            lateness: Duration::from_millis(1),
            receive_slots: usize::MAX,
            now: Duration::ZERO,
            random: Rng::with_seed(seed),
            flying: BTreeMap::new(),
            next_number: 0,
            arrived: (0..ports).map(|_| VecDeque::new()).collect(),
            tally: Tally::default(),
        }
    }

    /// One port more, of this number.
    pub fn join(&mut self) -> usize {
        self.arrived.push(VecDeque::new());
        self.arrived.len() - 1
    }

    /// The time.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// When the next frame arrives, if one is under way.
    pub fn next(&self) -> Option<Duration> {
        self.flying.first_key_value().map(|((at, _), _)| *at)
    }

    /// Moves the time on, never back; everything that is due arrives.
    pub fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
        while let Some(entry) = self.flying.first_entry()
            && entry.key().0 <= self.now
        {
            let (port, frame) = entry.remove();
            let arrived = &mut self.arrived[port];
            if arrived.len() < self.receive_slots {
                arrived.push_back(frame);
                self.tally.arrived += 1;
            } else {
                self.tally.overrun += 1;
            }
        }
    }

    /// Sends a frame to all other ports; each of them has its own luck.
    pub fn send(&mut self, from: usize, frame: &[u8]) {
        for to in (0..self.arrived.len()).filter(|to| *to != from) {
            self.fly(to, frame);
        }
    }

    fn fly(&mut self, to: usize, frame: &[u8]) {
        let arrivals = self.faults.arrivals(&mut self.random, frame);
        self.tally.sent += 1;
        match arrivals.len() {
            0 => self.tally.lost += 1,
            1 => {}
            _ => self.tally.duplicated += 1,
        }
        for arrival in arrivals {
            self.tally.corrupted += u64::from(arrival.corrupted);
            self.tally.truncated += u64::from(arrival.truncated);
            let mut at = self.now + self.latency;
            if arrival.late {
                self.tally.reordered += 1;
                let most = u64::try_from(self.lateness.as_nanos()).unwrap_or(u64::MAX);
                at += Duration::from_nanos(self.random.u64(..=most));
            }
            self.next_number += 1;
            let key = (at, self.next_number);
            self.flying.insert(key, (to, arrival.frame));
        }
    }

    /// The next frame that has arrived at a port.
    pub fn receive(&mut self, port: usize) -> Option<Vec<u8>> {
        self.arrived[port].pop_front()
    }

    /// Frames that have arrived at a port and were not received yet.
    pub fn waiting(&self, port: usize) -> usize {
        self.arrived[port].len()
    }

    /// What it did so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }
}
