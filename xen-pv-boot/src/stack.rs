//! The stack of the only vCPU.

use core::cell::UnsafeCell;
use core::ops::Range;

use crate::hypercall;
use crate::types::{Errno, PAGE_SIZE};

/// Bytes of it, with its guard page.
pub(crate) const STACK_SIZE: usize = 256 * 1024;

#[repr(C, align(4096))]
pub(crate) struct Stack(UnsafeCell<[u8; STACK_SIZE]>);

// SAFETY: only the assembly of `entry` takes its address, to make it the stack of the only vCPU.
unsafe impl Sync for Stack {}

/// Where it is.
pub(crate) static STACK: Stack = Stack(UnsafeCell::new([0; STACK_SIZE]));

/// Addresses of the stack, without the guard page at its lower end.
pub(crate) fn stack() -> Range<u64> {
    let start = STACK.0.get() as u64;
    start + PAGE_SIZE as u64..start + STACK_SIZE as u64
}

/// Unmaps the page at the lower end of the stack, so that a stack that grows too far ends the domain instead of
/// changing other statics in silence. No stub runs then: Xen pushes the exception's frame on the stack that the kernel
/// is on (`create_bounce_frame`; a PV kernel has no other for exceptions), finds no memory there, ends the domain and
/// writes its registers to its own console (`xl dmesg`).
pub(crate) fn guard_stack() -> Result<(), Errno> {
    // SAFETY: the stack is far from its lower end now, and nobody takes an address there.
    unsafe { hypercall::update_va_mapping(STACK.0.get() as u64, 0) }
}
