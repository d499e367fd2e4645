//! Sets of small numbers, to be gone through from any of them on: whoever is not in one costs nothing.

/// Members of a word.
const BITS: usize = u64::BITS as usize;

/// A set of numbers below `64 * WORDS`. `WORDS` is 64 at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberSet<const WORDS: usize> {
    words: [u64; WORDS],
    /// A bit for each word that has members.
    inhabited: u64,
}

/// Boards of a backend.
pub type BoardSet = NumberSet<16>;
/// Endpoints of a board.
pub type EndpointSet = NumberSet<4>;

impl<const WORDS: usize> Default for NumberSet<WORDS> {
    fn default() -> Self {
        Self {
            words: [0; WORDS],
            inhabited: 0,
        }
    }
}

impl<const WORDS: usize> NumberSet<WORDS> {
    /// Whether it has no members.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.inhabited == 0
    }

    /// Whether a number is a member.
    #[inline]
    pub fn contains(&self, number: u16) -> bool {
        let word = self.words.get(usize::from(number) / BITS);
        word.is_some_and(|word| word & bit(number) != 0)
    }

    /// Makes a number a member; false when it was one, or is too large.
    #[inline]
    pub fn insert(&mut self, number: u16) -> bool {
        let place = usize::from(number) / BITS;
        let Some(word) = self.words.get_mut(place) else {
            return false;
        };
        let is_new = *word & bit(number) == 0;
        *word |= bit(number);
        self.inhabited |= 1 << place;
        is_new
    }

    /// Takes a number out; whether it was a member.
    #[inline]
    pub fn remove(&mut self, number: u16) -> bool {
        let place = usize::from(number) / BITS;
        let Some(word) = self.words.get_mut(place) else {
            return false;
        };
        let was = *word & bit(number) != 0;
        *word &= !bit(number);
        if *word == 0 {
            self.inhabited &= !(1 << place);
        }
        was
    }

    /// Makes a number a member, or none.
    #[inline]
    pub fn set(&mut self, number: u16, member: bool) {
        if member {
            self.insert(number);
        } else {
            self.remove(number);
        }
    }

    /// The first member that is not below `from`.
    #[inline]
    pub fn next(&self, from: u16) -> Option<u16> {
        let place = usize::from(from) / BITS;
        let here = self.words.get(place)? & (u64::MAX << (usize::from(from) % BITS));
        if here != 0 {
            return Some(number(place, here));
        }
        let later = self.inhabited & u64::MAX.checked_shl(place as u32 + 1).unwrap_or(0);
        let place = later.trailing_zeros() as usize;
        self.words.get(place).map(|word| number(place, *word))
    }

    /// The first member from `from` on, then from the smallest.
    #[inline]
    pub fn next_around(&self, from: u16) -> Option<u16> {
        if self.is_empty() {
            return None;
        }
        self.next(from).or_else(|| self.next(0))
    }

    /// Takes the smallest member out.
    pub fn pop(&mut self) -> Option<u16> {
        let first = self.next(0)?;
        self.remove(first);
        Some(first)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// The members of either.
    #[inline]
    pub fn with(&self, other: &Self) -> Self {
        let mut both = *self;
        for (word, more) in both.words.iter_mut().zip(other.words) {
            *word |= more;
        }
        both.inhabited |= other.inhabited;
        both
    }
}

#[inline]
const fn bit(number: u16) -> u64 {
    1 << (number as usize % BITS)
}

#[inline]
const fn number(place: usize, word: u64) -> u16 {
    (place * BITS) as u16 + word.trailing_zeros() as u16
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_holds_what_was_put_into_it_in_order(
            steps in prop::collection::vec((0..300_u16, any::<bool>()), 0..100),
            from in 0..300_u16,
        ) {
            let mut set = EndpointSet::default();
            let mut plain = BTreeSet::new();
            for (number, member) in steps {
                if member {
                    prop_assert_eq!(set.insert(number), number < 256 && plain.insert(number));
                } else {
                    prop_assert_eq!(set.remove(number), plain.remove(&number));
                }
                plain.retain(|number| *number < 256);
            }
            prop_assert_eq!(set.len(), plain.len());
            prop_assert_eq!(set.is_empty(), plain.is_empty());
            prop_assert_eq!(set.next(from), plain.range(from..).next().copied());
            let first = plain.first().copied();
            prop_assert_eq!(set.next_around(from), set.next(from).or(first));
            prop_assert!((0..300).all(|number| set.contains(number) == plain.contains(&number)));
            let mut half = EndpointSet::default();
            (0..128).for_each(|number| half.set(number, true));
            let both = set.with(&half);
            prop_assert_eq!(both, half.with(&set));
            prop_assert!((0..256).all(|number| both.contains(number) == (number < 128 || plain.contains(&number))));
            prop_assert_eq!(both.next(128), set.next(128));
            let all: Vec<u16> = core::iter::from_fn(|| set.pop()).collect();
            prop_assert!(all.into_iter().eq(plain));
        }
    }
}
