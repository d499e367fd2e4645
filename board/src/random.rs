//! Numbers that nobody should be able to guess, from the seed that the backend gives.

//!
//! Beacons show numbers of the switch's generator. Handles of pulls are from another one, so that nobody who listens comes
//! any nearer to them.

/// SplitMix64: one word of state, every start is a good one.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Numbers of `2 * HALF` bits, each of them once before the first comes again, in an order that nobody should be able to
/// guess: a count behind a Feistel cipher of four rounds.
#[derive(Clone, Debug)]
pub(crate) struct Shuffled<const HALF: u32> {
    keys: [u64; 4],
    next: u32,
}

impl<const HALF: u32> Shuffled<HALF> {
    const MASK: u32 = (1 << HALF) - 1;

    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            keys: core::array::from_fn(|_| random.next()),
            next: random.next() as u32,
        }
    }

    pub fn next(&mut self) -> u32 {
        let (mut left, mut right) = (self.next >> HALF & Self::MASK, self.next & Self::MASK);
        self.next = self.next.wrapping_add(1);
        for key in self.keys {
            let mixed = Random::new(key ^ u64::from(right)).next() as u32 & Self::MASK;
            (left, right) = (right, left ^ mixed);
        }
        left << HALF | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_once_and_not_after_its_neighbour() {
        let mut shuffled = Shuffled::<5>::new(3);
        let numbers: [u32; 1024] = core::array::from_fn(|_| shuffled.next());
        let mut sorted = numbers;
        sorted.sort_unstable();
        assert_eq!(sorted, core::array::from_fn(|place| place as u32));
        let in_order = numbers.windows(2).filter(|pair| pair[1] == pair[0] + 1);
        assert!(in_order.count() < 10);
        assert_eq!(shuffled.next(), numbers[0], "and then all of them again");
    }
}
