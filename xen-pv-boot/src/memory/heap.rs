//! The heap: a fixed part of the domain's pages.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;

use linked_list_allocator::Heap;
use spin::Mutex;

/// Allocator of the domain.
pub(crate) struct Allocator {
    heap: Mutex<Heap>,
}

impl Allocator {
    pub(crate) const fn new() -> Self {
        Self {
            heap: Mutex::new(Heap::empty()),
        }
    }

    /// Gives memory to the heap.
    ///
    /// # Safety
    /// The memory is mapped, writable, unused, and stays the heap's. Called once.
    pub(crate) unsafe fn init(&self, start: *mut u8, bytes: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.heap.lock().init(start, bytes) };
    }

    /// Bytes free and in all.
    pub(crate) fn space(&self) -> (usize, usize) {
        let heap = self.heap.lock();
        (heap.free(), heap.size())
    }
}

// SAFETY: the lock makes each call exclusive, and the heap hands out disjoint memory of the wanted layout.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.heap
            .lock()
            .allocate_first_fit(layout)
            .map_or(core::ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if let Some(memory) = NonNull::new(memory) {
            // SAFETY: the caller returns what `alloc` gave for this layout.
            unsafe { self.heap.lock().deallocate(memory, layout) };
        }
    }
}
