//! The heap: a fixed part of the domain's pages. Small objects come from runs ([`super::small`]), large ones and the runs
//! from a list of holes. A part is kept for what must not fail when others have taken all the rest.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;

use linked_list_allocator::Heap;
use spin::Mutex;

use super::small::{self, RUN, Small};

/// Bytes for what must not fail, of a heap that has them to spare.
const RESERVE: usize = 1 << 20;

/// Allocator of the domain.
pub(crate) struct Allocator {
    parts: Mutex<Parts>,
}

struct Parts {
    small: Small,
    heap: Heap,
    /// Touched when the heap has no place for something.
    reserve: Heap,
}

impl Parts {
    /// A run for small objects.
    fn run() -> Layout {
        // SAFETY: a power of two, and not too large.
        unsafe { Layout::from_size_align_unchecked(RUN, RUN) }
    }

    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let heap = &mut self.heap;
        let more = || heap.allocate_first_fit(Self::run()).ok();
        // SAFETY: runs are of the heap, aligned, and given back below.
        if let Some(object) = unsafe { self.small.take(layout, more) } {
            return Some(object);
        }
        if !small::is_small(layout) {
            if let Ok(memory) = self.heap.allocate_first_fit(layout) {
                return Some(memory);
            }
            while let Some(run) = self.small.take_empty() {
                // SAFETY: it came from the heap with this layout.
                unsafe { self.heap.deallocate(run, Self::run()) };
            }
            if let Ok(memory) = self.heap.allocate_first_fit(layout) {
                return Some(memory);
            }
        }
        self.reserve.allocate_first_fit(layout).ok()
    }

    /// # Safety
    /// The memory came from [`Self::alloc`] with this layout, and nobody uses it any more.
    unsafe fn dealloc(&mut self, memory: NonNull<u8>, layout: Layout) {
        let address = memory.as_ptr();
        let reserved = self.reserve.bottom()..self.reserve.top();
        // SAFETY: the caller's promise, and each part gets back what is its own.
        unsafe {
            if reserved.contains(&address) {
                self.reserve.deallocate(memory, layout);
            } else if small::is_small(layout) {
                self.small.give(memory, layout);
            } else {
                self.heap.deallocate(memory, layout);
            }
        }
    }
}

impl Allocator {
    pub(crate) const fn new() -> Self {
        Self {
            parts: Mutex::new(Parts {
                small: Small::new(),
                heap: Heap::empty(),
                reserve: Heap::empty(),
            }),
        }
    }

    /// Gives memory to the heap.
    ///
    /// # Safety
    /// The memory is mapped, writable, unused, and stays the heap's. Called once.
    pub(crate) unsafe fn init(&self, start: *mut u8, bytes: usize) {
        let kept = RESERVE.min(bytes / 8);
        let mut parts = self.parts.lock();
        // SAFETY: the caller's promise, for two parts that do not overlap.
        unsafe {
            parts.heap.init(start, bytes - kept);
            parts.reserve.init(start.add(bytes - kept), kept);
        }
    }

    /// Whether the part for what must not fail is in use, or about to be: nobody should be given more.
    pub(crate) fn is_short(&self) -> bool {
        let parts = self.parts.lock();
        let left = parts.heap.free() + parts.small.free();
        parts.reserve.used() > 0 || left < parts.reserve.size() / 2
    }

    /// Bytes free and in all.
    pub(crate) fn space(&self) -> (usize, usize) {
        let parts = self.parts.lock();
        (
            parts.heap.free() + parts.small.free() + parts.reserve.free(),
            parts.heap.size() + parts.reserve.size(),
        )
    }
}

// SAFETY: the lock makes each call exclusive, and the parts hand out disjoint memory of the wanted layout.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let memory = self.parts.lock().alloc(layout);
        memory.map_or(core::ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if let Some(memory) = NonNull::new(memory) {
            // SAFETY: the caller returns what `alloc` gave for this layout.
            unsafe { self.parts.lock().dealloc(memory, layout) };
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    const BYTES: usize = 16 << 20;

    /// A heap over memory of the process.
    fn heap() -> (Allocator, Vec<u8>) {
        let mut memory = std::vec![0u8; BYTES];
        let heap = Allocator::new();
        // SAFETY: the vector is kept as long as the heap, and nobody else touches it.
        unsafe { heap.init(memory.as_mut_ptr(), BYTES) };
        (heap, memory)
    }

    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, 8).unwrap()
    }

    /// Takes objects until the heap is short of memory.
    fn fill(heap: &Allocator, size: usize) -> Vec<*mut u8> {
        let mut objects = Vec::new();
        while !heap.is_short() {
            // SAFETY: the layout is not empty.
            let object = unsafe { heap.alloc(layout(size)) };
            assert!(!object.is_null());
            objects.push(object);
        }
        objects
    }

    #[test]
    fn a_heap_that_is_full_has_a_reserve_and_all_comes_back() {
        let (heap, memory) = heap();
        let before = heap.space();
        for size in [40, 500, 6000, 40_000, 40] {
            let objects = fill(&heap, size);
            assert!(
                objects.len() * size > BYTES / 2,
                "{size}: {}",
                objects.len()
            );
            // What must not fail, does not: half a MiB of all sizes.
            let rest = [16, 100, 1000, 10_000, 100_000].map(|size| {
                let count = 100_000 / size;
                let more: Vec<_> = (0..count)
                    // SAFETY: the layout is not empty.
                    .map(|_| unsafe { heap.alloc(layout(size)) })
                    .collect();
                assert!(more.iter().all(|object| !object.is_null()), "{size}");
                (size, more)
            });
            assert!(heap.is_short());
            let rest = rest.into_iter().chain([(size, objects)]);
            for (size, objects) in rest {
                for object in objects {
                    // SAFETY: it came from this heap with this layout.
                    unsafe { heap.dealloc(object, layout(size)) };
                }
            }
            assert!(!heap.is_short());
            assert_eq!(heap.space(), before, "nothing is lost");
        }
        drop(memory);
    }

    #[test]
    fn holes_do_not_make_small_objects_dear() {
        let (heap, memory) = heap();
        let mut objects = fill(&heap, 252);
        // Every other one goes: 20 000 holes.
        let mut number = 0;
        objects.retain(|object| {
            number += 1;
            if number % 2 == 0 {
                // SAFETY: it came from this heap with this layout.
                unsafe { heap.dealloc(*object, layout(252)) };
            }
            number % 2 == 1
        });
        assert!(objects.len() > 20_000);
        let begun = std::time::Instant::now();
        for _ in 0..100_000 {
            // SAFETY: the layout is not empty, and what is taken is given back.
            unsafe {
                let object = heap.alloc(layout(500));
                heap.dealloc(object, layout(500));
            }
        }
        // A walk over the holes took 59 µs each. The bound is for a machine that does other things meanwhile.
        let each = begun.elapsed() / 100_000;
        assert!(each.as_micros() < 20, "{each:?}");
        drop(memory);
    }
}
