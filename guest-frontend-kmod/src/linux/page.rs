//! Pages of the module that outlive their endpoint while somebody looks at them.

use mx_ring::Area;

use super::kernel::Linux;
use super::shim::{self, Page};
use crate::kernel::Kernel;

/// A page that stays allocated, whatever its endpoint or board does, until this is dropped.
pub struct HeldPage(*mut Page);

impl HeldPage {
    /// Called under the lock of the endpoint that has the page, or whose bell names it.
    pub fn new(page: *mut Page) -> Self {
        // SAFETY: the owner holds the page.
        unsafe { shim::shim_hold_page(page) };
        Self(page)
    }

    /// Its bytes, as long as this lives.
    pub fn area(&self) -> Area {
        Linux.area(self.0, 1)
    }
}

impl Drop for HeldPage {
    fn drop(&mut self) {
        // SAFETY: ends the hold of `new`.
        unsafe { shim::shim_free_page(self.0) }
    }
}
