//! What happens to a single frame.

use alloc::vec::Vec;

use fastrand::Rng;

/// Bytes that are left of a cut frame at least: an Ethernet header, without which it is none.
const ETHERNET_HEADER: usize = 14;
/// Bits that are flipped in a changed frame at most.
const FLIPS_MAX: u32 = 3;

/// How bad a network is. Each of these happens to so many frames of a hundred, independently of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// It does not arrive.
    pub loss: u8,
    /// It arrives twice.
    pub duplication: u8,
    /// It arrives so late that others overtake it.
    pub reordering: u8,
    /// One to three bits of it are flipped. (The frame check of a real card would drop it.)
    pub corruption: u8,
    /// Its end is cut off, behind its Ethernet header. (Likewise.)
    pub truncation: u8,
}

/// A copy of a frame that arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its bytes.
    pub frame: Vec<u8>,
    /// Others are to overtake it.
    pub late: bool,
    /// Bits of it were flipped.
    pub corrupted: bool,
    /// Its end was cut off.
    pub truncated: bool,
}

impl Faults {
    /// A good network.
    pub const NONE: Self = Self {
        loss: 0,
        duplication: 0,
        reordering: 0,
        corruption: 0,
        truncation: 0,
    };
    /// A tenth each of lost, doubled and reordered frames; those that arrive are whole.
    pub const TENTH: Self = Self {
        loss: 10,
        duplication: 10,
        reordering: 10,
        ..Self::NONE
    };
    /// Nothing arrives.
    pub const CUT: Self = Self {
        loss: 100,
        ..Self::NONE
    };

    /// What arrives of a frame: nothing, one copy or two.
    pub fn arrivals(&self, random: &mut Rng, frame: &[u8]) -> Vec<Arrival> {
        let copies = match happens(random, self.loss) {
            true => 0,
            false => 1 + usize::from(happens(random, self.duplication)),
        };
        (0..copies).map(|_| self.arrival(random, frame)).collect()
    }

    fn arrival(&self, random: &mut Rng, frame: &[u8]) -> Arrival {
        let mut frame = frame.to_vec();
        let corrupted = happens(random, self.corruption) && !frame.is_empty();
        if corrupted {
            for _ in 0..random.u32(1..=FLIPS_MAX) {
                let at = random.usize(..frame.len());
                frame[at] ^= 1 << random.u8(..8);
            }
        }
        let truncated = happens(random, self.truncation) && frame.len() > ETHERNET_HEADER;
        if truncated {
            frame.truncate(random.usize(ETHERNET_HEADER..frame.len()));
        }
        Arrival {
            frame,
            late: happens(random, self.reordering),
            corrupted,
            truncated,
        }
    }
}

/// True so many times of a hundred.
fn happens(random: &mut Rng, percent: u8) -> bool {
    random.u8(..100) < percent
}
