//! The logic's kernel, and what it counts.

use core::ffi::c_ulong;
use core::sync::atomic::{AtomicU64, Ordering};

use mx_ring::VolatileSlice;

use super::lock::Mutex;
use super::page;
use super::shim::{self, Mm, Page};
use super::sleepers;
use super::watch::Watch;
use crate::kernel::{Access, DomainId, GrantRef, Kernel};
use crate::lock::LockName;

/// Counts since the module was loaded.
pub struct Statistics {
    /// Calls of any kind.
    pub calls: AtomicU64,
    /// Waits that slept.
    pub sleeps: AtomicU64,
    /// Events sent.
    pub events_sent: AtomicU64,
    /// Interrupts taken.
    pub events_received: AtomicU64,
    /// Grants made.
    pub grants: AtomicU64,
    /// Grants ended.
    pub grants_ended: AtomicU64,
}

/// What the module has done since it was loaded.
pub static STATISTICS: Statistics = Statistics {
    calls: AtomicU64::new(0),
    sleeps: AtomicU64::new(0),
    events_sent: AtomicU64::new(0),
    events_received: AtomicU64::new(0),
    grants: AtomicU64::new(0),
    grants_ended: AtomicU64::new(0),
};

/// Counts one more.
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// This kernel.
#[derive(Clone, Copy)]
pub struct Linux;

impl Kernel for Linux {
    type Page = *mut Page;
    type Space = *mut Mm;
    type Watch = Watch;
    type Lock<T> = Mutex<T>;

    fn lock<T>(&self, name: LockName, value: T) -> Mutex<T> {
        Mutex::new(name, value)
    }

    fn allocate(&self, count: usize, mut keep: impl FnMut(*mut Page)) -> bool {
        let first = shim::shim_allocate_pages(count.trailing_zeros());
        if first.is_null() {
            return false;
        }
        for page in 0..count {
            // SAFETY: the allocation has that many adjacent pages.
            keep(unsafe { shim::shim_page_after(first, page as u32) });
        }
        true
    }

    fn free(&self, page: *mut Page) {
        // SAFETY: `PageSet` frees an allocated page once.
        unsafe { shim::shim_free_page(page) }
    }

    fn unpin(&self, page: *mut Page, written: bool) {
        // SAFETY: `PageSet` ends a pin once.
        unsafe { shim::shim_unpin(page, written) }
    }

    fn unaccount(&self, space: *mut Mm, pages: usize) {
        // SAFETY: `PageSet` ends an accounting once; the space was held by it.
        unsafe { shim::shim_unaccount_pinned(space, pages as c_ulong) }
    }

    fn end_watch(&self, watch: Watch) {
        watch.end();
    }

    fn slice(&self, first: *mut Page, count: usize) -> VolatileSlice {
        page::slice(first, count)
    }

    fn grant(&self, domain: DomainId, page: *mut Page, access: Access) -> Option<GrantRef> {
        // SAFETY: the page is allocated or pinned, and stays so until the grant has ended (`PageSet`).
        let reference = unsafe { shim::shim_grant(domain, page, access == Access::Read) };
        let reference = GrantRef::try_from(reference).ok()?;
        count(&STATISTICS.grants);
        Some(reference)
    }

    fn end_grant(&self, reference: GrantRef) -> bool {
        // SAFETY: `PageSet` ends a grant once.
        let ended = unsafe { shim::shim_end_grant(reference) };
        if ended {
            count(&STATISTICS.grants_ended);
        }
        ended
    }

    fn leave_grant(&self, reference: GrantRef) {
        // SAFETY: `PageSet` leaves a grant once, and does not end it then.
        unsafe { shim::shim_leave_grant(reference) }
    }

    fn look_at_deferred_unmaps(&self) {
        shim::shim_schedule_reaper();
    }

    fn notify(&self, board: usize) {
        count(&STATISTICS.events_sent);
        shim::shim_notify(board as u32);
    }

    fn wake_callers(&self, board: usize) {
        shim::shim_announce_answer(board as u32);
    }

    fn wake_sleepers(&self, board: usize, endpoint: u8) {
        sleepers::make_return(board, endpoint);
    }
}
