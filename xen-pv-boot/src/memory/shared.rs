//! Own pages that others may map. They are shared for the domain's life: whoever has mapped one keeps it, whatever becomes
//! of its grant, so none of them ever holds anything else.

use core::ptr::NonNull;

use mx_ring::VolatileSlice;

use super::{direct, dma, mfn};
use crate::types::{Mfn, PAGE_SIZE, Pfn};

/// Pages that are to be granted, side by side for the own processor; for others each is one by itself.
#[derive(Debug)]
pub struct SharedPages {
    first: Pfn,
    pages: usize,
}

/// Takes `pages` pages, zeroed; `None` when there are none.
pub fn allocate(pages: usize) -> Option<SharedPages> {
    let first = dma::take(pages)?;
    Some(SharedPages { first, pages })
}

impl SharedPages {
    /// How many there are.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// Their bytes.
    pub fn slice(&self) -> VolatileSlice {
        let base = NonNull::new(direct(self.first) as *mut u8).unwrap_or(NonNull::dangling());
        // SAFETY: the direct map has the pages for good, they are never given back, and only slices touch them.
        unsafe { VolatileSlice::new(base, self.pages * PAGE_SIZE) }
    }

    /// The machine frame of one of them.
    pub(crate) fn frame(&self, page: usize) -> Option<Mfn> {
        (page < self.pages)
            .then(|| mfn(Pfn(self.first.0 + page as u64)))
            .flatten()
    }
}
