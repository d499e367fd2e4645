//! The process's allocator, which counts what the domain's would take.
#![allow(
    dead_code,
    reason = "every test file compiles this module and uses its own part of it"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Memory of this thread that is in use, and how much there is before only the reserve is left.
struct Counting;

thread_local! {
    static USED: Cell<usize> = const { Cell::new(0) };
    /// Allocations until the heap has none left but its reserve.
    pub static UNTIL_SHORT: Cell<Option<usize>> = const { Cell::new(None) };
    /// What was taken since then.
    pub static RESERVED: Cell<usize> = const { Cell::new(0) };
}

/// What the domain's allocator makes of a layout (`xen-pv-boot/src/memory/small.rs`).
fn real(layout: Layout) -> usize {
    let size = layout.size().max(16);
    let above = size.next_power_of_two();
    match size {
        0..=16384 if size <= above / 4 * 3 => above / 4 * 3,
        0..=16384 => above,
        _ => size,
    }
}

// SAFETY: the process's allocator does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = USED.try_with(|used| used.set(used.get() + real(layout)));
        let _ = UNTIL_SHORT.try_with(|until| match until.get() {
            Some(0) => RESERVED.with(|reserved| reserved.set(reserved.get() + real(layout))),
            Some(left) => until.set(Some(left - 1)),
            None => {}
        });
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let _ = USED.try_with(|used| used.set(used.get().saturating_sub(real(layout))));
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) };
    }
}

#[global_allocator]
static HEAP: Counting = Counting;

/// Bytes in use.
pub fn used() -> usize {
    USED.get()
}
