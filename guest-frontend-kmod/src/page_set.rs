//! Pages that are granted together and given back together.

use alloc::vec::Vec;

use mx_ring::RegionKey;

use crate::errno::Errno;
use crate::kernel::{Access, DomainId, GrantRef, Kernel};
use crate::quota::User;
use crate::watch::Watched;

/// Pinned memory of a process: what its pin needs besides the pages.
pub struct Pinned<K: Kernel> {
    /// The address space that the pages are accounted to.
    pub space: K::Space,
    /// Whether the backend may have written them.
    pub writable: bool,
    /// What tells when the process changes what lies at the addresses. It began before the pages were pinned.
    pub watch: K::Watch,
}

/// Some pages and their grants. A page is freed, or its pin ended, only after its grant has ended.
///
/// Dropping a page set that still has pages leaks them (and nothing worse), so whoever holds one calls
/// [`PageSet::give_back`] until it is empty.
pub struct PageSet<K: Kernel> {
    pages: Vec<K::Page>,
    /// Grants of the first `refs.len()` pages.
    refs: Vec<GrantRef>,
    /// `None`: the pages were allocated by this module.
    pinned: Option<Pinned<K>>,
    user: User,
    /// Pages at the start, for the accounting.
    total: usize,
}

impl<K: Kernel> PageSet<K> {
    /// Allocates zeroed pages: one run of adjacent pages for each number in `runs`.
    pub fn allocate(
        kernel: &K,
        user: User,
        runs: impl Iterator<Item = usize>,
    ) -> Result<Self, Errno> {
        let mut page_set = Self {
            pages: Vec::new(),
            refs: Vec::new(),
            pinned: None,
            user,
            total: 0,
        };
        for run in runs {
            let pages = &mut page_set.pages;
            let allocated =
                pages.try_reserve(run).is_ok() && kernel.allocate(run, |page| pages.push(page));
            if !allocated {
                page_set.give_back(kernel);
                return Err(Errno::NO_MEMORY);
            }
        }
        page_set.total = page_set.pages.len();
        let reserved = page_set.refs.try_reserve_exact(page_set.total);
        if reserved.is_err() {
            page_set.give_back(kernel);
            return Err(Errno::NO_MEMORY);
        }
        Ok(page_set)
    }

    /// Takes over pages that were pinned and accounted to their space.
    pub fn pinned(
        kernel: &K,
        user: User,
        pinned: Pinned<K>,
        pages: Vec<K::Page>,
    ) -> Result<Self, Errno> {
        let mut page_set = Self {
            total: pages.len(),
            pages,
            refs: Vec::new(),
            pinned: Some(pinned),
            user,
        };
        let reserved = page_set.refs.try_reserve_exact(page_set.total);
        if reserved.is_err() {
            page_set.give_back(kernel);
            return Err(Errno::NO_MEMORY);
        }
        Ok(page_set)
    }

    /// Who pays for the pages.
    pub fn user(&self) -> User {
        self.user
    }

    /// Pages that the page set had at its start.
    pub fn total(&self) -> usize {
        self.total
    }

    fn watched(&self) -> Option<&Watched> {
        self.pinned.as_ref().map(|pinned| pinned.watch.as_ref())
    }

    /// The pages become a region.
    pub fn name(&self, key: RegionKey) {
        if let Some(watched) = self.watched() {
            watched.bind(key);
        }
    }

    /// The region is ready: its process may keep it for later messages, unless its memory has changed meanwhile.
    pub fn settle(&self) {
        if let Some(watched) = self.watched() {
            watched.settle();
        }
    }

    /// Whether the process has changed what lies at the addresses of the pages.
    pub fn changed(&self) -> bool {
        self.watched().is_some_and(Watched::changed)
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

    /// Gives all pages back, leaving to the kernel the grants that the backend still uses: for a module that goes. May
    /// sleep.
    pub fn give_up(mut self, kernel: &K) {
        self.refs
            .drain(..)
            .for_each(|reference| kernel.leave_grant(reference));
        self.give_back(kernel);
    }

    /// Ends the grants that the backend no longer uses and gives their pages back; true when nothing is left. May
    /// sleep.
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
        if let Some(pinned) = self.pinned.take() {
            kernel.unaccount(pinned.space, self.total);
            kernel.end_watch(pinned.watch);
        }
        true
    }

    fn release(&self, kernel: &K, page: K::Page) {
        match &self.pinned {
            None => kernel.free(page),
            Some(pinned) => kernel.unpin(page, pinned.writable),
        }
    }
}
