//! What all boards of a guest share: the kernel, the quotas of its users, the list of lingering pages.

use crate::batch::Batch;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::lingering::Lingering;
use crate::quota::{Limits, Quotas, User};

/// See the module's description.
pub struct Pool<K: Kernel> {
    /// The kernel.
    pub kernel: K,
    /// Pages that another domain still maps.
    pub lingering: Lingering<K>,
    /// What each user holds.
    pub quotas: Quotas,
}

impl<K: Kernel> Pool<K> {
    /// An empty pool.
    pub const fn new(kernel: K) -> Self {
        Self {
            kernel,
            lingering: Lingering::new(),
            quotas: Quotas::new(),
        }
    }

    /// Charges a batch to its user and keeps room for it on the lingering list. From here on it ends with
    /// [`Self::linger`] or [`Self::dismiss`].
    pub fn admit(&mut self, batch: &Batch<K>, limits: Option<Limits>) -> Result<(), Errno> {
        self.quotas.charge(batch.user(), 0, batch.total(), limits)?;
        self.lingering
            .admit()
            .inspect_err(|_| self.quotas.release(batch.user(), 0, batch.total()))
    }

    /// Leaves a batch to the list.
    pub fn linger(&mut self, batch: Batch<K>) {
        self.lingering.add(batch);
    }

    /// A batch has been given back to the last page.
    pub fn dismiss(&mut self, user: User, pages: usize) {
        self.quotas.release(user, 0, pages);
        self.lingering.dismiss();
    }
}
