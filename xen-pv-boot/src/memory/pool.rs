//! Own pages for devices: a bitmap, searched for runs.

use alloc::vec;
use alloc::vec::Vec;

use crate::types::Pfn;

/// Pages `first .. first + len`, free or not.
pub(crate) struct Pool {
    first: Pfn,
    used: Vec<bool>,
}

impl Pool {
    /// A pool of free pages.
    pub(crate) fn new(first: Pfn, pages: usize) -> Self {
        Self {
            first,
            used: vec![false; pages],
        }
    }

    /// Takes the first run of `pages` free pages whose neighbours satisfy `adjacent`, at a PFN that is a multiple of
    /// `align`.
    pub(crate) fn take(
        &mut self,
        pages: usize,
        align: u64,
        adjacent: impl Fn(Pfn, Pfn) -> bool,
    ) -> Option<Pfn> {
        if pages == 0 {
            return None;
        }
        let mut start = 0;
        let mut length = 0;
        for index in 0..self.used.len() {
            let pfn = self.pfn(index);
            let continues = length > 0 && adjacent(Pfn(pfn.0 - 1), pfn);
            if self.used[index] {
                length = 0;
                continue;
            }
            if !continues {
                start = index;
                length = 0;
            }
            if length == 0 && !pfn.0.is_multiple_of(align) {
                continue;
            }
            if length == 0 {
                start = index;
            }
            length += 1;
            if length == pages {
                self.used[start..=index].fill(true);
                return Some(self.pfn(start));
            }
        }
        None
    }

    /// Gives pages back that [`Self::take`] handed out.
    pub(crate) fn give(&mut self, first: Pfn, pages: usize) {
        let start = first.0.saturating_sub(self.first.0) as usize;
        if let Some(run) = self.used.get_mut(start..start + pages) {
            run.fill(false);
        }
    }

    fn pfn(&self, index: usize) -> Pfn {
        Pfn(self.first.0 + index as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn always(_: Pfn, _: Pfn) -> bool {
        true
    }

    #[test]
    fn a_run_does_not_cross_a_machine_gap() {
        let mut pool = Pool::new(Pfn(100), 8);
        let gap = |_: Pfn, b: Pfn| b != Pfn(102);
        assert_eq!(pool.take(3, 1, gap), Some(Pfn(102)));
        assert_eq!(pool.take(2, 1, gap), Some(Pfn(100)));
        assert_eq!(pool.take(4, 1, gap), None);
        pool.give(Pfn(102), 3);
        assert_eq!(pool.take(6, 1, gap), Some(Pfn(102)));
    }

    #[test]
    fn an_alignment_is_kept() {
        let mut pool = Pool::new(Pfn(5), 20);
        assert_eq!(pool.take(4, 4, always), Some(Pfn(8)));
        assert_eq!(pool.take(4, 4, always), Some(Pfn(12)));
        assert_eq!(pool.take(2, 1, always), Some(Pfn(5)));
    }

    proptest! {
        #[test]
        fn no_page_is_handed_out_twice(sizes in proptest::collection::vec(0usize..9, 1..40)) {
            let mut pool = Pool::new(Pfn(64), 128);
            let mut owned = Vec::<(Pfn, usize)>::new();
            for (step, size) in sizes.into_iter().enumerate() {
                if step % 3 == 2 && !owned.is_empty() {
                    let (first, pages) = owned.remove(step % owned.len());
                    pool.give(first, pages);
                } else if let Some(first) = pool.take(size, 1, always) {
                    prop_assert!(first.0 >= 64 && first.0 + size as u64 <= 192);
                    for &(other, pages) in &owned {
                        prop_assert!(first.0 + size as u64 <= other.0 || other.0 + pages as u64 <= first.0);
                    }
                    owned.push((first, size));
                }
            }
        }
    }
}
