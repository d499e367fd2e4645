//! Bytes of pages, and pages of the module that outlive their endpoint while somebody looks at them.

use core::ptr::NonNull;

use mx_ring::{PAGE_SIZE, VolatileSlice};

use super::shim::{self, Page};

/// The bytes of adjacent pages. Whoever holds the slice holds the pages (`Link`, `HeldPage`).
pub fn slice(first: *mut Page, count: usize) -> VolatileSlice {
    // SAFETY: the page is allocated.
    let address = unsafe { shim::shim_page_address(first) };
    match NonNull::new(address) {
        // SAFETY: allocated pages stay in the kernel's direct mapping until they are freed, page-aligned, adjacent ones at
        // adjacent addresses; the pages are held as long as the slice is used.
        Some(base) => unsafe { VolatileSlice::new(base, count * PAGE_SIZE) },
        // SAFETY: a slice of no bytes; each use of it is refused.
        None => unsafe { VolatileSlice::new(NonNull::dangling(), 0) },
    }
}

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
    pub fn slice(&self) -> VolatileSlice {
        slice(self.0, 1)
    }
}

impl Drop for HeldPage {
    fn drop(&mut self) {
        // SAFETY: ends the hold of `new`.
        unsafe { shim::shim_free_page(self.0) }
    }
}
