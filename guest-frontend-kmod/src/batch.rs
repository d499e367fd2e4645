//! Pages that are granted together and given back together.

use alloc::vec::Vec;

use crate::errno::Errno;
use crate::kernel::{Access, DomainId, GrantRef, Kernel};
use crate::quota::User;

/// Where the pages of a [`Batch`] come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<S> {
    /// Allocated by this module.
    Allocated,
    /// Pinned memory of a process.
    Pinned {
        /// The address space that the pages are accounted to.
        space: S,
        /// Whether the home may have written them.
        writable: bool,
    },
}

/// Some pages and their grants. A page is freed, or its pin ended, only after its grant has ended.
///
/// Dropping a batch that still has pages leaks them (and nothing worse), so whoever holds one calls
/// [`Batch::give_back`] until it is empty.
pub struct Batch<K: Kernel> {
    pages: Vec<K::Page>,
    /// Grants of the first `refs.len()` pages.
    refs: Vec<GrantRef>,
    origin: Origin<K::Space>,
    user: User,
    /// Pages at the start, for the accounting.
    total: usize,
}

impl<K: Kernel> Batch<K> {
    /// Allocates zeroed pages: one run of adjacent pages for each number in `runs`.
    pub fn allocate(
        kernel: &K,
        user: User,
        runs: impl Iterator<Item = usize>,
    ) -> Result<Self, Errno> {
        let mut batch = Self {
            pages: Vec::new(),
            refs: Vec::new(),
            origin: Origin::Allocated,
            user,
            total: 0,
        };
        for run in runs {
            let pages = &mut batch.pages;
            let allocated =
                pages.try_reserve(run).is_ok() && kernel.allocate(run, |page| pages.push(page));
            if !allocated {
                batch.give_back(kernel);
                return Err(Errno::NO_MEMORY);
            }
        }
        batch.total = batch.pages.len();
        let reserved = batch.refs.try_reserve_exact(batch.total);
        if reserved.is_err() {
            batch.give_back(kernel);
            return Err(Errno::NO_MEMORY);
        }
        Ok(batch)
    }

    /// Takes over pages that were pinned and accounted to `space`.
    pub fn pinned(
        kernel: &K,
        user: User,
        space: K::Space,
        writable: bool,
        pages: Vec<K::Page>,
    ) -> Result<Self, Errno> {
        let mut batch = Self {
            total: pages.len(),
            pages,
            refs: Vec::new(),
            origin: Origin::Pinned { space, writable },
            user,
        };
        let reserved = batch.refs.try_reserve_exact(batch.total);
        if reserved.is_err() {
            batch.give_back(kernel);
            return Err(Errno::NO_MEMORY);
        }
        Ok(batch)
    }

    /// Who pays for the pages.
    pub fn user(&self) -> User {
        self.user
    }

    /// Pages that the batch had at its start.
    pub fn total(&self) -> usize {
        self.total
    }

    /// The pages. Only before the first [`Self::give_back`] in their order.
    pub fn pages(&self) -> &[K::Page] {
        &self.pages
    }

    /// The references of the granted pages, in the order of the pages.
    pub fn refs(&self) -> &[GrantRef] {
        &self.refs
    }

    /// Grants the next page.
    pub fn grant_next(
        &mut self,
        kernel: &K,
        domain: DomainId,
        access: Access,
    ) -> Result<GrantRef, Errno> {
        let page = self.pages.get(self.refs.len()).ok_or(Errno::INVALID)?;
        let reference = kernel.grant(domain, *page, access).ok_or(Errno::AGAIN)?;
        // Room for all references was reserved at the start, so this does not allocate.
        self.refs.push(reference);
        Ok(reference)
    }

    /// Gives all pages back, leaving to the kernel the grants that the home still uses: for a module that goes. May sleep.
    pub fn give_up(mut self, kernel: &K) {
        self.refs
            .drain(..)
            .for_each(|reference| kernel.leave_grant(reference));
        self.give_back(kernel);
    }

    /// Ends the grants that the home no longer uses and gives their pages back; true when nothing is left. May sleep.
    pub fn give_back(&mut self, kernel: &K) -> bool {
        while self.pages.len() > self.refs.len() {
            if let Some(page) = self.pages.pop() {
                self.release(kernel, page);
            }
        }
        for i in (0..self.refs.len()).rev() {
            if kernel.end_grant(self.refs[i]) {
                self.refs.swap_remove(i);
                let page = self.pages.swap_remove(i);
                self.release(kernel, page);
            }
        }
        if !self.pages.is_empty() {
            return false;
        }
        if let Origin::Pinned { space, .. } = self.origin {
            kernel.unaccount(space, self.total);
            self.origin = Origin::Allocated;
        }
        true
    }

    fn release(&self, kernel: &K, page: K::Page) {
        match self.origin {
            Origin::Allocated => kernel.free(page),
            Origin::Pinned { writable, .. } => kernel.unpin(page, writable),
        }
    }
}
