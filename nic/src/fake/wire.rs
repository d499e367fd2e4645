//! What is between the cards.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::time::Duration;

use mx_testnet::{Faults, Network, Tally};

use super::RECEIVE_SLOTS;
use crate::LinkState;

/// What an end knows besides its frames.
#[derive(Debug, Default)]
struct End {
    armed: bool,
    interrupts: u64,
}

#[derive(Debug)]
struct State {
    network: Network,
    link: LinkState,
    lost_without_link: u64,
    ends: [End; 2],
}

/// The wire, shared by both cards and the test.
#[derive(Clone, Debug)]
pub struct Wire(Rc<RefCell<State>>);

impl Wire {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        let mut network = Network::new(2, faults, seed);
        network.receive_slots = RECEIVE_SLOTS;
        Self(Rc::new(RefCell::new(State {
            network,
            link: LinkState::Up,
            lost_without_link: 0,
            ends: Default::default(),
        })))
    }

    /// The time of the wire, which only tests move.
    pub fn now(&self) -> Duration {
        self.0.borrow().network.now()
    }

    /// When the next frame arrives, if one is on its way.
    pub fn next_arrival(&self) -> Option<Duration> {
        self.0.borrow().network.next()
    }

    /// Moves the time on, never back; everything that is due arrives.
    pub fn advance(&self, now: Duration) {
        let State { network, ends, .. } = &mut *self.0.borrow_mut();
        let waited = [0, 1].map(|end| network.waiting(end));
        network.advance(now);
        for (number, end) in ends.iter_mut().enumerate() {
            if end.armed && network.waiting(number) > waited[number] {
                end.armed = false;
                end.interrupts += 1;
            }
        }
    }

    /// Changes how bad the wire is, for frames sent from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.0.borrow_mut().network.faults = faults;
    }

    /// Pulls the plug, or puts it in. What is on its way still arrives.
    pub fn set_link(&self, link: LinkState) {
        self.0.borrow_mut().link = link;
    }

    /// What it did so far.
    pub fn tally(&self) -> Tally {
        self.0.borrow().network.tally()
    }

    /// Frames that were lost because the link was down.
    pub fn lost_without_link(&self) -> u64 {
        self.0.borrow().lost_without_link
    }

    pub(super) fn link(&self) -> LinkState {
        self.0.borrow().link
    }

    pub(super) fn send(&self, from: usize, frame: &[u8]) {
        let state = &mut *self.0.borrow_mut();
        match state.link {
            LinkState::Down => state.lost_without_link += 1,
            _ => state.network.send(from, frame),
        }
    }

    pub(super) fn take(&self, end: usize) -> Option<Vec<u8>> {
        self.0.borrow_mut().network.receive(end)
    }

    pub(super) fn waits(&self, end: usize) -> bool {
        self.0.borrow().network.waiting(end) > 0
    }

    pub(super) fn arm(&self, end: usize, armed: bool) {
        self.0.borrow_mut().ends[end].armed = armed;
    }

    pub(super) fn interrupts(&self, end: usize) -> u64 {
        self.0.borrow().ends[end].interrupts
    }
}
