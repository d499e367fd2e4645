//! What all boards of a guest share: the kernel, the quotas of its users, the list of deferred unmaps.

use crate::deferred_unmap::DeferredUnmaps;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::lock::{Lock, LockName};
use crate::page_set::PageSet;
use crate::quota::{Limits, Quotas, User};

/// See the module's description.
pub struct Shared<K: Kernel> {
    /// What the module asks of Linux.
    pub kernel: K,
    inner: K::Lock<Inner<K>>,
}

struct Inner<K: Kernel> {
    deferred: DeferredUnmaps<K>,
    quotas: Quotas,
}

impl<K: Kernel> Shared<K> {
    /// No page is held, by no user.
    pub fn new(kernel: K) -> Self {
        let inner = Inner {
            deferred: DeferredUnmaps::new(),
            quotas: Quotas::new(),
        };
        Self {
            inner: kernel.lock(LockName::Shared, inner),
            kernel,
        }
    }

    /// Charges an endpoint to its user.
    pub fn charge_endpoint(&self, user: User, limits: Option<Limits>) -> Result<(), Errno> {
        self.inner
            .with(|inner| inner.quotas.charge(user, 1, 0, limits))
    }

    /// An endpoint of a user has ended.
    pub fn release_endpoint(&self, user: User) {
        self.inner.with(|inner| inner.quotas.release(user, 1, 0));
    }

    /// Whether a user may have so many pages, as far as can be told before they are pinned.
    pub fn has_room(&self, user: User, pages: usize, limits: Option<Limits>) -> bool {
        self.inner
            .with(|inner| inner.quotas.has_room(user, pages, limits))
    }

    /// Charges pages to their user and keeps room for them on the list of deferred unmaps, so that they may be granted. From
    /// here on the page set ends with [`Self::give_back`] or [`Self::defer_unmap`]; after an error it has ended. Without a
    /// lock.
    pub fn admit(
        &self,
        mut page_set: PageSet<K>,
        limits: Option<Limits>,
    ) -> Result<PageSet<K>, Errno> {
        let admitted = self.inner.with(|inner| {
            let (user, pages) = (page_set.user(), page_set.total());
            inner.quotas.charge(user, 0, pages, limits)?;
            let room = inner.deferred.admit();
            room.inspect_err(|_| inner.quotas.release(user, 0, pages))
        });
        if let Err(error) = admitted {
            page_set.give_back(&self.kernel);
            return Err(error);
        }
        Ok(page_set)
    }

    /// Leaves a page set to the list.
    pub fn defer_unmap(&self, page_set: PageSet<K>) {
        self.inner.with(|inner| inner.deferred.add(page_set));
        self.kernel.look_at_deferred_unmaps();
    }

    /// Gives a page set back, at once as far as the backend has let go of it. Without a lock.
    pub fn give_back(&self, mut page_set: PageSet<K>) {
        let (user, pages) = (page_set.user(), page_set.total());
        match page_set.give_back(&self.kernel) {
            true => self.inner.with(|inner| {
                inner.quotas.release(user, 0, pages);
                inner.deferred.dismiss();
            }),
            false => self.defer_unmap(page_set),
        }
    }

    /// Looks at each deferred unmap once; whether some are left. Without a lock.
    pub fn reap(&self) -> bool {
        for _ in 0..self.deferred_unmaps() {
            let Some(mut page_set) = self.take_deferred() else {
                break;
            };
            let (user, pages) = (page_set.user(), page_set.total());
            let empty = page_set.give_back(&self.kernel);
            self.inner.with(|inner| match empty {
                true => {
                    inner.quotas.release(user, 0, pages);
                    inner.deferred.dismiss();
                }
                false => inner.deferred.add(page_set),
            });
        }
        self.deferred_unmaps() > 0
    }

    /// Leaves to the kernel what other domains still map: for a module that goes. Without a lock.
    pub fn give_up(&self) {
        self.reap();
        while let Some(page_set) = self.take_deferred() {
            page_set.give_up(&self.kernel);
        }
    }

    fn take_deferred(&self) -> Option<PageSet<K>> {
        self.inner.with(|inner| inner.deferred.take())
    }

    /// Page sets that another domain still maps.
    pub fn deferred_unmaps(&self) -> usize {
        self.inner.with(|inner| inner.deferred.count())
    }

    /// Users that hold something.
    pub fn users(&self) -> usize {
        self.inner.with(|inner| inner.quotas.users())
    }
}
