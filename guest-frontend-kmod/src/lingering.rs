//! Pages whose grants could not be ended yet, because the other domain still maps them.
//!
//! Xen says in the grant entry whether a page is mapped; only then may page and reference be used again, whatever the
//! home answered. The kernel has a list of its own for such pages, which gives back ten a second.

use alloc::collections::VecDeque;

use crate::batch::Batch;
use crate::errno::Errno;
use crate::kernel::Kernel;

/// The list. Each batch is admitted before its first page is granted, so that it finds room here without allocating,
/// however many have to come at once.
pub struct Lingering<K: Kernel> {
    list: VecDeque<Batch<K>>,
    admitted: usize,
}

impl<K: Kernel> Lingering<K> {
    /// An empty list.
    pub const fn new() -> Self {
        Self {
            list: VecDeque::new(),
            admitted: 0,
        }
    }

    /// Keeps room for one more batch.
    pub fn admit(&mut self) -> Result<(), Errno> {
        let additional = (self.admitted + 1).saturating_sub(self.list.len());
        self.list
            .try_reserve(additional)
            .map_err(|_| Errno::NO_MEMORY)?;
        self.admitted += 1;
        Ok(())
    }

    /// An admitted batch begins to linger, or goes on.
    pub fn add(&mut self, batch: Batch<K>) {
        self.list.push_back(batch);
    }

    /// The batch that waits longest.
    pub fn take(&mut self) -> Option<Batch<K>> {
        self.list.pop_front()
    }

    /// An admitted batch has become empty.
    pub fn dismiss(&mut self) {
        self.admitted = self.admitted.saturating_sub(1);
    }

    /// Batches that linger.
    pub fn count(&self) -> usize {
        self.list.len()
    }
}

impl<K: Kernel> Default for Lingering<K> {
    fn default() -> Self {
        Self::new()
    }
}
