//! Pages that are granted together and given back together.

use alloc::vec::Vec;

use mx_ring::RegionKey;

use crate::errno::Errno;
use crate::kernel::{Access, GrantRef, Kernel};
use crate::quota::User;
use crate::target::Target;
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
    /// Which of the board's links they are for.
    link: u32,
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
            link: 0,
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
            link: 0,
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

    /// Whether the first `count` pages are granted to the backend of that link.
    pub fn is_granted(&self, link: u32, count: usize) -> bool {
        self.link == link && self.refs.len() >= count
    }

    /// Grants the first `count` pages to a backend, and ends first what is granted to an earlier one; at most `budget` grants
    /// are made or ended. `FAULT` when the earlier one maps a page; `AGAIN` when grants run out.
    pub fn grant(
        &mut self,
        kernel: &K,
        target: Target,
        count: usize,
        access: impl Fn(usize) -> Access,
        budget: &mut usize,
    ) -> Result<(), Errno> {
        if self.link != target.number {
            self.end_grants(kernel, budget)?;
            if !self.refs.is_empty() {
                return Ok(());
            }
            self.link = target.number;
        }
        while self.refs.len() < count && spend(budget) {
            let at = self.refs.len();
            let page = self.pages.get(at).ok_or(Errno::INVALID)?;
            let reference = kernel.grant(target.domain, *page, access(at));
            // Room for all references was reserved at the start, so this does not allocate.
            self.refs.push(reference.ok_or(Errno::AGAIN)?);
        }
        Ok(())
    }

    /// Ends the grants, at most `budget` of them, and keeps the pages. `FAULT` when a backend still maps one.
    pub fn end_grants(&mut self, kernel: &K, budget: &mut usize) -> Result<(), Errno> {
        while let Some(reference) = self.refs.last()
            && spend(budget)
        {
            if !kernel.end_grant(*reference) {
                return Err(Errno::FAULT);
            }
            self.refs.pop();
        }
        Ok(())
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

/// Takes one from a budget, if something is left.
fn spend(budget: &mut usize) -> bool {
    let left = budget.checked_sub(1);
    *budget = left.unwrap_or(0);
    left.is_some()
}
