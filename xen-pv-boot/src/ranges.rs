//! Numbers handed out in runs: first fit, neighbours joined when they come back.

use alloc::collections::BTreeMap;

/// The free runs, by their first number.
#[derive(Debug)]
pub(crate) struct Ranges {
    free: BTreeMap<usize, usize>,
}

impl Ranges {
    /// All of `0 .. count` is free.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            free: BTreeMap::from([(0, count)]),
        }
    }

    /// Takes a run of `count` numbers.
    pub(crate) fn take(&mut self, count: usize) -> Option<usize> {
        if count == 0 {
            return None;
        }
        let (&first, &length) = self.free.iter().find(|&(_, &length)| length >= count)?;
        self.free.remove(&first);
        if length > count {
            self.free.insert(first + count, length - count);
        }
        Some(first)
    }

    /// Gives a run back.
    pub(crate) fn give(&mut self, first: usize, count: usize) {
        let mut first = first;
        let mut count = count;
        if let Some(next) = self.free.remove(&(first + count)) {
            count += next;
        }
        let before = self.free.range(..first).next_back();
        if let Some((&start, &length)) = before
            && start + length == first
        {
            first = start;
            count += length;
        }
        self.free.insert(first, count);
    }

    /// How many numbers are free.
    pub(crate) fn free(&self) -> usize {
        self.free.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn what_comes_back_joins_its_neighbours() {
        let mut ranges = Ranges::new(100);
        let a = ranges.take(10).unwrap();
        let b = ranges.take(10).unwrap();
        let c = ranges.take(10).unwrap();
        ranges.give(a, 10);
        ranges.give(c, 10);
        ranges.give(b, 10);
        assert_eq!(ranges.take(100), Some(0));
        assert_eq!(ranges.take(1), None);
    }

    proptest! {
        #[test]
        fn runs_never_overlap_and_none_is_lost(sizes in proptest::collection::vec(0usize..20, 1..60)) {
            let mut ranges = Ranges::new(200);
            let mut owned = Vec::<(usize, usize)>::new();
            for (step, size) in sizes.into_iter().enumerate() {
                if step % 3 == 2 && !owned.is_empty() {
                    let (first, count) = owned.swap_remove(step % owned.len());
                    ranges.give(first, count);
                } else if let Some(first) = ranges.take(size) {
                    prop_assert!(first + size <= 200);
                    for &(other, count) in &owned {
                        prop_assert!(first + size <= other || other + count <= first);
                    }
                    owned.push((first, size));
                }
                let taken: usize = owned.iter().map(|&(_, count)| count).sum();
                prop_assert_eq!(ranges.free() + taken, 200);
            }
            for (first, count) in owned {
                ranges.give(first, count);
            }
            prop_assert_eq!(ranges.take(200), Some(0));
        }
    }
}
