//! A pair of cards joined by a wire in memory, which loses, doubles, reorders, corrupts and cuts frames as its seed
//! says: the same seed and the same calls give the same frames.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;

use crate::{Armed, Capabilities, DeviceError, Fragment, MacAddress, Nic, Token, TransmitError};

/// How often the wire does what a wire should not, in frames out of 1000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Frames that vanish.
    pub loss: u16,
    /// Frames that arrive twice.
    pub duplication: u16,
    /// Frames that a later one overtakes.
    pub reordering: u16,
    /// Frames with a flipped bit.
    pub corruption: u16,
    /// Frames that are cut short.
    pub truncation: u16,
}

/// Memory that fragments name. Without an implementation that knows an address, a fragment cannot be sent.
pub trait BusMemory {
    /// Copies from bus address `bus`; false if nothing is there.
    fn read(&self, bus: u64, into: &mut [u8]) -> bool;
}

/// No memory: frames consist of their headers.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMemory;

impl BusMemory for NoMemory {
    fn read(&self, _bus: u64, _into: &mut [u8]) -> bool {
        false
    }
}

/// xorshift64*: small, and good enough to throw dice.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.roll() % limit.max(1) as u64) as usize
    }

    fn happens(&mut self, per_mille: u16) -> bool {
        self.roll() % 1000 < u64::from(per_mille)
    }
}

/// One direction of the wire.
struct Lane {
    frames: VecDeque<Vec<u8>>,
    dice: Dice,
    faults: Faults,
}

impl Lane {
    fn put(&mut self, mut frame: Vec<u8>) {
        if self.dice.happens(self.faults.loss) {
            return;
        }
        if self.dice.happens(self.faults.corruption) && !frame.is_empty() {
            let at = self.dice.below(frame.len());
            frame[at] ^= 1 << self.dice.below(8);
        }
        if self.dice.happens(self.faults.truncation) {
            frame.truncate(self.dice.below(frame.len()));
        }
        if self.dice.happens(self.faults.duplication) {
            self.insert(frame.clone());
        }
        self.insert(frame);
    }

    fn insert(&mut self, frame: Vec<u8>) {
        let back = if self.dice.happens(self.faults.reordering) {
            self.dice.below(8).min(self.frames.len())
        } else {
            0
        };
        self.frames.insert(self.frames.len() - back, frame);
    }
}

/// One of two joined cards.
pub struct FakeNic<M> {
    mac: MacAddress,
    memory: M,
    out: Rc<RefCell<Lane>>,
    into: Rc<RefCell<Lane>>,
    ring: Vec<(Vec<u8>, Token)>,
    done: VecDeque<Token>,
}

/// Frames that a fake takes before the first flush.
const SLOTS: usize = 256;
/// Frames that wait for a receiver at most; what comes then is lost, as with a card whose ring is full.
const LANE_MAX: usize = 4096;
const MAX_FRAME: usize = 9014;

/// Two cards joined by a wire with `faults`, the same in both directions.
pub fn pair<M: BusMemory + Clone>(
    seed: u64,
    faults: Faults,
    memory: M,
) -> (FakeNic<M>, FakeNic<M>) {
    let lane = |salt: u64| {
        Rc::new(RefCell::new(Lane {
            frames: VecDeque::new(),
            dice: Dice((seed ^ salt) | 1),
            faults,
        }))
    };
    let (there, back) = (lane(0x9e37_79b9_7f4a_7c15), lane(0xc2b2_ae3d_27d4_eb4f));
    let card = |number, out: &Rc<_>, into: &Rc<_>| FakeNic {
        mac: [2, 0, 0, 0, 0xfa, number],
        memory: memory.clone(),
        out: Rc::clone(out),
        into: Rc::clone(into),
        ring: Vec::new(),
        done: VecDeque::new(),
    };
    (card(1, &there, &back), card(2, &back, &there))
}

impl<M: BusMemory> Nic for FakeNic<M> {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            driver: "fake",
            max_frame: MAX_FRAME,
            max_header: MAX_FRAME,
            max_fragments: 7,
            transmit_slots: SLOTS,
        }
    }

    fn mac(&self) -> MacAddress {
        self.mac
    }

    fn link(&mut self) -> bool {
        true
    }

    fn transmit(
        &mut self,
        header: &[u8],
        fragments: &[Fragment],
        token: Token,
    ) -> Result<(), TransmitError> {
        let payload: usize = fragments.iter().map(|fragment| fragment.len as usize).sum();
        if fragments.len() > self.capabilities().max_fragments || header.len() + payload > MAX_FRAME
        {
            return Err(TransmitError::TooLong);
        }
        if self.ring.len() + self.done.len() >= SLOTS {
            return Err(TransmitError::Full);
        }
        let mut frame = header.to_vec();
        for fragment in fragments {
            let start = frame.len();
            frame.extend(vec![0; fragment.len as usize]);
            if !self.memory.read(fragment.bus, &mut frame[start..]) {
                return Err(TransmitError::TooLong);
            }
        }
        self.ring.push((frame, token));
        Ok(())
    }

    fn flush(&mut self) {
        let mut out = self.out.borrow_mut();
        for (frame, token) in self.ring.drain(..) {
            if out.frames.len() < LANE_MAX {
                out.put(frame);
            }
            self.done.push_back(token);
        }
    }

    fn completed(&mut self, tokens: &mut [Token]) -> Result<usize, DeviceError> {
        let count = tokens.len().min(self.done.len());
        for (place, token) in tokens.iter_mut().zip(self.done.drain(..count)) {
            *place = token;
        }
        Ok(count)
    }

    fn receive(&mut self, max: usize, each: &mut dyn FnMut(&[u8])) -> Result<usize, DeviceError> {
        for count in 0..max {
            // The lane is free again before the frame is shown: who sees it may send.
            let Some(frame) = self.into.borrow_mut().frames.pop_front() else {
                return Ok(count);
            };
            each(&frame);
        }
        Ok(max)
    }

    fn arm(&mut self) -> Result<Armed, DeviceError> {
        Ok(
            if self.into.borrow().frames.is_empty() && self.done.is_empty() {
                Armed::Quiet
            } else {
                Armed::WorkPending
            },
        )
    }

    fn disarm(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seed: u64, faults: Faults, count: u32) -> Vec<Vec<u8>> {
        let (mut a, mut b) = pair(seed, faults, NoMemory);
        let mut frames = Vec::new();
        for number in 0..count {
            let mut frame = vec![0; 60];
            frame[0..4].copy_from_slice(&number.to_le_bytes());
            a.transmit(&frame, &[], Token(number.into())).unwrap();
            a.flush();
            let mut tokens = [Token::default(); 2];
            assert_eq!(a.completed(&mut tokens), Ok(1));
            assert_eq!(tokens[0], Token(number.into()));
            if number % 16 == 15 {
                b.receive(32, &mut |frame| frames.push(frame.to_vec()))
                    .unwrap();
            }
        }
        frames
    }

    #[test]
    fn a_good_wire_changes_nothing() {
        let frames = run(1, Faults::default(), 160);
        let numbers: Vec<u8> = frames.iter().map(|frame| frame[0]).collect();
        assert_eq!(numbers, (0..160).collect::<Vec<u8>>());
    }

    #[test]
    fn the_same_seed_gives_the_same_frames_and_another_one_others() {
        let faults = Faults {
            loss: 100,
            duplication: 100,
            reordering: 100,
            corruption: 100,
            truncation: 100,
        };
        assert_eq!(run(7, faults, 320), run(7, faults, 320));
        assert_ne!(run(7, faults, 320), run(8, faults, 320));
    }

    #[test]
    fn each_fault_happens_about_as_often_as_asked() {
        let lossy = Faults {
            loss: 200,
            ..Faults::default()
        };
        assert!((1440..1760).contains(&run(3, lossy, 2000).len()));
        let doubling = Faults {
            duplication: 200,
            ..Faults::default()
        };
        assert!((2240..2560).contains(&run(3, doubling, 2000).len()));
        let cutting = Faults {
            truncation: 200,
            ..Faults::default()
        };
        let short = run(3, cutting, 2000)
            .iter()
            .filter(|frame| frame.len() < 60)
            .count();
        assert!((240..560).contains(&short));
        let flipping = Faults {
            corruption: 200,
            ..Faults::default()
        };
        let wrong = run(3, flipping, 2000)
            .iter()
            .enumerate()
            .filter(|(number, frame)| {
                frame[0..4] != (*number as u32).to_le_bytes() || frame[4..].iter().any(|&b| b != 0)
            })
            .count();
        assert!((240..560).contains(&wrong));
    }

    #[test]
    fn fragments_are_read_from_the_bus() {
        #[derive(Clone)]
        struct Counting;
        impl BusMemory for Counting {
            fn read(&self, bus: u64, into: &mut [u8]) -> bool {
                for (offset, byte) in into.iter_mut().enumerate() {
                    *byte = (bus as usize + offset) as u8;
                }
                bus != 0
            }
        }
        let (mut a, mut b) = pair(1, Faults::default(), Counting);
        let good = Fragment { bus: 5, len: 3 };
        a.transmit(&[1, 2], &[good, good], Token(0)).unwrap();
        a.flush();
        b.receive(1, &mut |frame| assert_eq!(frame, [1, 2, 5, 6, 7, 5, 6, 7]))
            .unwrap();
        let bad = Fragment { bus: 0, len: 3 };
        assert_eq!(
            a.transmit(&[1], &[bad], Token(0)),
            Err(TransmitError::TooLong)
        );
    }
}
