//! A pair of cards in memory, joined by a wire that loses, doubles, delays, flips and cuts frames: the same ones for
//! the same seed. Time is virtual: it stands still until a test moves it.
//!
//! ```
//! use core::time::Duration;
//! use mx_nic::fake;
//! use mx_nic::{Nic, Token};
//! use mx_testnet::Faults;
//!
//! let (wire, mut left, mut right) = fake::pair(1, Faults::NONE);
//! left.transmit(0, &[&[0; 60]], &[], Token(5)).unwrap();
//! left.flush(0);
//! wire.advance(wire.next_arrival().unwrap());
//! assert_eq!(right.receive(0, 10, &mut |frame| assert_eq!(frame.len(), 60)), 1);
//! let mut tokens = [Token(0); 1];
//! assert_eq!(left.completed(0, &mut tokens), 1);
//! assert_eq!(tokens, [Token(5)]);
//! ```

mod wire;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use mx_testnet::Faults;
pub use wire::Wire;

use crate::{
    Armed, Capabilities, Fault, Fragment, LinkState, MIN_FRAME, MacAddress, Nic, Reception,
    Statistics, Token, TransmitError, frame_length,
};

/// Longest frame: an MTU of 9000.
pub const MAX_FRAME: usize = 9014;
/// Addresses besides its own that a card's filter holds at most.
pub const ADDRESSES: usize = 4;
/// Frames that a card holds at most, on their way out.
pub const TRANSMIT_SLOTS: usize = 256;
/// Frames that a card holds at most, on their way in; more are lost.
pub const RECEIVE_SLOTS: usize = 256;
/// Most fragments of a frame, if the card reads them.
pub const MAX_FRAGMENTS: usize = 7;

/// Copies bytes from a bus address, as a card does by DMA.
pub type ReadBus = Box<dyn Fn(u64, &mut [u8])>;

/// Two cards and what is between them. The same `seed` makes the same mischief.
pub fn pair(seed: u64, faults: Faults) -> (Wire, FakeNic, FakeNic) {
    let wire = Wire::new(seed, faults);
    let left = FakeNic::new(wire.clone(), 0);
    let right = FakeNic::new(wire.clone(), 1);
    (wire, left, right)
}

/// A frame put into the transmit queue.
struct Outgoing {
    head: Vec<u8>,
    fragments: Vec<Fragment>,
    token: Token,
}

/// A card in memory.
pub struct FakeNic {
    wire: Wire,
    end: usize,
    mac: MacAddress,
    read_bus: Option<ReadBus>,
    outgoing: VecDeque<Outgoing>,
    done: VecDeque<Token>,
    statistics: Statistics,
    fault: Option<Fault>,
    /// Addresses whose frames come in besides its own and broadcasts; all, without a list.
    named: Option<Vec<MacAddress>>,
}

impl fmt::Debug for FakeNic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeNic")
            .field("end", &self.end)
            .field("statistics", &self.statistics)
            .finish_non_exhaustive()
    }
}

impl FakeNic {
    fn new(wire: Wire, end: usize) -> Self {
        Self {
            wire,
            end,
            mac: [2, 0xfa, 0xce, 0, 0, end as u8],
            read_bus: None,
            outgoing: VecDeque::new(),
            done: VecDeque::new(),
            statistics: Statistics::default(),
            fault: None,
            named: None,
        }
    }

    /// Whether the card's filter lets a frame in.
    fn wants(&self, frame: &[u8]) -> bool {
        let Some(named) = &self.named else {
            return true;
        };
        frame.first_chunk::<6>().is_some_and(|destination| {
            *destination == self.mac || destination[0] & 1 == 1 || named.contains(destination)
        })
    }

    /// Lets the card read fragments, which it does at [`Nic::flush`]. Without it all of a frame is head.
    #[must_use]
    pub fn reading(mut self, read_bus: ReadBus) -> Self {
        self.read_bus = Some(read_bus);
        self
    }

    /// Interrupts so far.
    pub fn interrupts(&self) -> u64 {
        self.wire.interrupts(self.end)
    }

    /// Stops the card, as a driver does when its card lies.
    pub fn fail(&mut self, fault: Fault) {
        self.fault = Some(fault);
        self.done
            .extend(self.outgoing.drain(..).map(|frame| frame.token));
    }

    /// The whole frame, as the card reads it.
    fn gather(&self, frame: &Outgoing) -> Vec<u8> {
        let mut bytes = frame.head.clone();
        for fragment in &frame.fragments {
            let mut part = vec![0; fragment.len as usize];
            if let Some(read_bus) = &self.read_bus {
                read_bus(fragment.bus, &mut part);
            }
            bytes.append(&mut part);
        }
        bytes
    }
}

impl Nic for FakeNic {
    fn capabilities(&self) -> Capabilities {
        let zero_copy = self.read_bus.is_some();
        Capabilities {
            driver: "fake",
            mac: self.mac,
            max_frame: MAX_FRAME,
            max_head: MAX_FRAME,
            max_fragments: if zero_copy { MAX_FRAGMENTS } else { 0 },
            zero_copy,
            promiscuous: true,
            addresses: ADDRESSES,
            recovers: false,
            interrupts: true,
            transmit_queues: 1,
            receive_queues: 1,
            transmit_slots: TRANSMIT_SLOTS,
        }
    }

    fn transmit(
        &mut self,
        queue: u16,
        head: &[&[u8]],
        fragments: &[Fragment],
        token: Token,
    ) -> Result<(), TransmitError> {
        if self.fault.is_some() {
            return Err(TransmitError::Stopped);
        }
        let head = head.concat();
        let most = (MAX_FRAME, self.capabilities().max_fragments);
        let len = frame_length(head.len(), fragments, most)
            .filter(|len| queue == 0 && (MIN_FRAME..=MAX_FRAME).contains(len))
            .ok_or(TransmitError::Unfit)?;
        if self.outgoing.len() + self.done.len() >= TRANSMIT_SLOTS {
            self.statistics.transmit_full += 1;
            return Err(TransmitError::Full);
        }
        self.outgoing.push_back(Outgoing {
            head,
            fragments: fragments.to_vec(),
            token,
        });
        self.statistics.transmitted_frames += 1;
        self.statistics.transmitted_bytes += len as u64;
        Ok(())
    }

    fn flush(&mut self, queue: u16) {
        if queue != 0 || self.outgoing.is_empty() {
            return;
        }
        self.statistics.doorbells += 1;
        while let Some(frame) = self.outgoing.pop_front() {
            self.wire.send(self.end, &self.gather(&frame));
            self.done.push_back(frame.token);
        }
    }

    fn completed(&mut self, queue: u16, tokens: &mut [Token]) -> usize {
        if queue != 0 {
            return 0;
        }
        let count = tokens.len().min(self.done.len());
        for (place, token) in tokens.iter_mut().zip(self.done.drain(..count)) {
            *place = token;
        }
        count
    }

    fn receive(&mut self, queue: u16, max: usize, each: &mut dyn FnMut(&[u8])) -> usize {
        if queue != 0 || self.fault.is_some() {
            return 0;
        }
        let mut count = 0;
        while count < max
            && let Some(frame) = self.wire.take(self.end)
        {
            if !self.wants(&frame) {
                continue;
            }
            self.statistics.received_frames += 1;
            self.statistics.received_bytes += frame.len() as u64;
            each(&frame);
            count += 1;
        }
        count
    }

    fn arm(&mut self, queue: u16) -> Armed {
        if queue == 0 && self.fault.is_none() {
            self.wire.arm(self.end, true);
        }
        Armed::with(self.wire.waits(self.end) || !self.done.is_empty())
    }

    fn disarm(&mut self, queue: u16) {
        if queue == 0 {
            self.wire.arm(self.end, false);
        }
    }

    fn acknowledge(&mut self) {}

    fn link(&mut self) -> LinkState {
        if self.fault.is_some() {
            LinkState::Down
        } else {
            self.wire.link()
        }
    }

    fn set_addresses(&mut self, unicast: &[MacAddress], _multicast: &[MacAddress]) -> Reception {
        let fits = unicast.len() <= ADDRESSES;
        self.named = fits.then(|| unicast.to_vec());
        if fits {
            Reception::Named
        } else {
            Reception::All
        }
    }

    fn fault(&self) -> Option<Fault> {
        self.fault
    }

    fn statistics(&self) -> Statistics {
        self.statistics
    }
}
