//! Pages whose grants could not be ended yet, because the other domain still maps them.
//!
//! Xen says in the grant entry whether a page is mapped; only then may page and reference be used again, whatever the
//! backend answered. The kernel has a list of its own for such pages, which gives back ten a second.

use alloc::collections::VecDeque;

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::page_set::PageSet;

/// The list. Each page set is admitted before its first page is granted, so that it finds room here without allocating,
/// however many have to come at once.
pub struct DeferredUnmaps<K: Kernel> {
    list: VecDeque<PageSet<K>>,
    admitted: usize,
}

impl<K: Kernel> DeferredUnmaps<K> {
    /// An empty list.
    pub const fn new() -> Self {
        Self {
            list: VecDeque::new(),
            admitted: 0,
        }
    }

    /// Keeps room for one more page set.
    pub fn admit(&mut self) -> Result<(), Errno> {
        let additional = (self.admitted + 1).saturating_sub(self.list.len());
        self.list
            .try_reserve(additional)
            .map_err(|_| Errno::NO_MEMORY)?;
        self.admitted += 1;
        Ok(())
    }

    /// An admitted page set begins to wait for its unmapping, or goes on waiting.
    pub fn add(&mut self, page_set: PageSet<K>) {
        self.list.push_back(page_set);
    }

    /// The page set that waits longest.
    pub fn take(&mut self) -> Option<PageSet<K>> {
        self.list.pop_front()
    }

    /// An admitted page set has become empty.
    pub fn dismiss(&mut self) {
        self.admitted = self.admitted.saturating_sub(1);
    }

    /// Page sets that another domain still maps.
    pub fn count(&self) -> usize {
        self.list.len()
    }
}

impl<K: Kernel> Default for DeferredUnmaps<K> {
    fn default() -> Self {
        Self::new()
    }
}
