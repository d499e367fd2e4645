//! What is between the cards.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::time::Duration;

use super::RECEIVE_SLOTS;
use super::random::Random;
use crate::LinkState;

/// Bytes that are left of a truncated frame at least: an Ethernet header.
const ETHERNET_HEADER: usize = 14;
/// Bits that are flipped in a corrupted frame at most.
const MOST_FLIPS: u64 = 3;

/// How bad the wire is. Each of these may happen to a frame, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// It never arrives.
    pub loss: u16,
    /// It arrives twice.
    pub duplication: u16,
    /// It arrives later, by up to [`Faults::reordering_delay`], so that others overtake it.
    pub reordering: u16,
    /// One to three bits are flipped (a real card's frame check would drop it).
    pub corruption: u16,
    /// It arrives without its end, but with an Ethernet header.
    pub truncation: u16,
    /// How long any frame travels.
    pub latency: Duration,
    /// How much longer a reordered one does, at most.
    pub reordering_delay: Duration,
}

impl Faults {
    /// A good wire of 10 µs.
    pub const NONE: Self = Self {
        loss: 0,
        duplication: 0,
        reordering: 0,
        corruption: 0,
        truncation: 0,
        latency: Duration::from_micros(10),
        reordering_delay: Duration::from_micros(200),
    };
}

/// What the wire did, in frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Given to the wire by a card.
    pub sent: u64,
    /// Reached the other card, duplicates included.
    pub arrived: u64,
    /// Lost at random.
    pub lost: u64,
    /// Lost because the link was down.
    pub lost_without_link: u64,
    /// Lost because the other card held [`RECEIVE_SLOTS`] frames already.
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

/// One end: the card's side.
#[derive(Debug, Default)]
struct End {
    inbox: VecDeque<Vec<u8>>,
    armed: bool,
    interrupts: u64,
}

#[derive(Debug)]
struct State {
    now: Duration,
    random: Random,
    faults: Faults,
    link: LinkState,
    /// By time of arrival, and by number where that is the same: to which end, and what.
    flying: BTreeMap<(Duration, u64), (usize, Vec<u8>)>,
    next_number: u64,
    ends: [End; 2],
    tally: Tally,
}

/// The wire, shared by both cards and the test.
#[derive(Clone, Debug)]
pub struct Wire(Rc<RefCell<State>>);

impl Wire {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        Self(Rc::new(RefCell::new(State {
            now: Duration::ZERO,
            random: Random(seed),
            faults,
            link: LinkState::Up,
            flying: BTreeMap::new(),
            next_number: 0,
            ends: Default::default(),
            tally: Tally::default(),
        })))
    }

    /// The time.
    pub fn now(&self) -> Duration {
        self.0.borrow().now
    }

    /// When the next frame arrives, if one is on its way.
    pub fn next_arrival(&self) -> Option<Duration> {
        let state = self.0.borrow();
        state.flying.keys().next().map(|&(time, _)| time)
    }

    /// Moves the time on, never back; everything that is due arrives.
    pub fn advance(&self, now: Duration) {
        let state = &mut *self.0.borrow_mut();
        state.now = state.now.max(now);
        while let Some(entry) = state.flying.first_entry()
            && entry.key().0 <= state.now
        {
            let (end, frame) = entry.remove();
            state.arrive(end, frame);
        }
    }

    /// Changes how bad the wire is, for frames sent from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.0.borrow_mut().faults = faults;
    }

    /// Pulls the plug, or puts it in. What is on its way still arrives.
    pub fn set_link(&self, link: LinkState) {
        self.0.borrow_mut().link = link;
    }

    /// What it did so far.
    pub fn tally(&self) -> Tally {
        self.0.borrow().tally
    }

    pub(super) fn link(&self) -> LinkState {
        self.0.borrow().link
    }

    pub(super) fn send(&self, from: usize, frame: Vec<u8>) {
        self.0.borrow_mut().send(1 - from, frame);
    }

    pub(super) fn take(&self, end: usize) -> Option<Vec<u8>> {
        self.0.borrow_mut().ends[end].inbox.pop_front()
    }

    pub(super) fn waits(&self, end: usize) -> bool {
        !self.0.borrow().ends[end].inbox.is_empty()
    }

    pub(super) fn arm(&self, end: usize, armed: bool) {
        self.0.borrow_mut().ends[end].armed = armed;
    }

    pub(super) fn interrupts(&self, end: usize) -> u64 {
        self.0.borrow().ends[end].interrupts
    }
}

impl State {
    fn send(&mut self, to: usize, frame: Vec<u8>) {
        self.tally.sent += 1;
        if self.link == LinkState::Down {
            self.tally.lost_without_link += 1;
            return;
        }
        if self.random.happens(self.faults.loss) {
            self.tally.lost += 1;
            return;
        }
        if self.random.happens(self.faults.duplication) {
            self.tally.duplicated += 1;
            self.fly(to, frame.clone());
        }
        self.fly(to, frame);
    }

    /// Puts a frame, or one of its duplicates, on its way.
    fn fly(&mut self, to: usize, mut frame: Vec<u8>) {
        if self.random.happens(self.faults.corruption) && !frame.is_empty() {
            self.tally.corrupted += 1;
            for _ in 0..=self.random.below(MOST_FLIPS) {
                let bit = self.random.below(frame.len() as u64 * 8) as usize;
                frame[bit / 8] ^= 1 << (bit % 8);
            }
        }
        if self.random.happens(self.faults.truncation) && frame.len() > ETHERNET_HEADER {
            self.tally.truncated += 1;
            let rest = (frame.len() - ETHERNET_HEADER) as u64;
            frame.truncate(ETHERNET_HEADER + self.random.below(rest) as usize);
        }
        let mut arrival = self.now + self.faults.latency;
        if self.random.happens(self.faults.reordering) {
            self.tally.reordered += 1;
            let most = self.faults.reordering_delay.as_nanos() as u64;
            arrival += Duration::from_nanos(1 + self.random.below(most.max(1)));
        }
        self.flying.insert((arrival, self.next_number), (to, frame));
        self.next_number += 1;
    }

    fn arrive(&mut self, end: usize, frame: Vec<u8>) {
        let end = &mut self.ends[end];
        if end.inbox.len() >= RECEIVE_SLOTS {
            self.tally.overrun += 1;
            return;
        }
        end.inbox.push_back(frame);
        self.tally.arrived += 1;
        if end.armed {
            end.armed = false;
            end.interrupts += 1;
        }
    }
}
