//! Whether this process has made something, or is a child that got it by a fork.
//!
//! A forked child has its parent's variables, and with an omxd the parent's queues, too: what it did with them would
//! be done behind its parent's back. A page that the kernel empties in every child tells the two apart without a system
//! call.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags};

use crate::layout::PAGE_SIZE;
use crate::mapping::MappingError;

/// Made by one process; its children see that it is inherited.
#[derive(Debug)]
pub struct ForkGuard {
    page: NonNull<AtomicU32>,
}

// SAFETY: the page is read atomically, and unmapped by the only owner.
unsafe impl Send for ForkGuard {}
// SAFETY: the page is read atomically.
unsafe impl Sync for ForkGuard {}

const MADE_HERE: u32 = 1;

impl ForkGuard {
    /// Remembers this process.
    pub fn new() -> Result<Self, MappingError> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping where the kernel finds room: it replaces nothing.
        let page = unsafe {
            rustix::mm::mmap_anonymous(
                core::ptr::null_mut(),
                PAGE_SIZE,
                protection,
                MapFlags::PRIVATE,
            )
        }?;
        let page = NonNull::new(page.cast()).ok_or(MappingError::Length(PAGE_SIZE))?;
        // Built first, so that a failure unmaps the page.
        let fork_guard = Self { page };
        // SAFETY: the page is ours, and its content in children concerns nobody else.
        unsafe { rustix::mm::madvise(page.as_ptr().cast(), PAGE_SIZE, Advice::LinuxWipeOnFork) }?;
        fork_guard.word().store(MADE_HERE, Ordering::Relaxed);
        Ok(fork_guard)
    }

    #[inline]
    fn word(&self) -> &AtomicU32 {
        // SAFETY: mapped, aligned and zeroed or set by `new` for as long as this value lives.
        unsafe { self.page.as_ref() }
    }

    /// Whether this process is a child of the one that made it.
    #[inline]
    pub fn is_inherited(&self) -> bool {
        self.word().load(Ordering::Relaxed) != MADE_HERE
    }
}

impl Drop for ForkGuard {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, in children too, and not used any more. A failure would leave a page behind.
        let _left = unsafe { rustix::mm::munmap(self.page.as_ptr().cast(), PAGE_SIZE) };
    }
}
