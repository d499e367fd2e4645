//! Byte copies from and to memory that the other side may write at the same time.

/// Copies `into.len()` bytes from shared memory.
///
/// # Safety
/// `from` is mapped and readable for `into.len()` bytes.
pub(crate) unsafe fn from_shared(from: *const u8, into: &mut [u8]) {
    // SAFETY: promised by the caller; the copy is opaque to the compiler, see `between`.
    unsafe { between(from, into.as_mut_ptr(), into.len()) }
}

/// Copies `from` to shared memory.
///
/// # Safety
/// `to` is mapped and writable for `from.len()` bytes.
pub(crate) unsafe fn to_shared(from: &[u8], to: *mut u8) {
    // SAFETY: promised by the caller.
    unsafe { between(from.as_ptr(), to, from.len()) }
}

/// Copies between two spans, of which any may be shared.
///
/// # Safety
/// Both spans are mapped for `length` bytes, `to` is writable, and they do not overlap.
pub(crate) unsafe fn between(from: *const u8, to: *mut u8, length: usize) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: both spans are mapped; the string instruction is invisible to the compiler's memory model, so that a
    // concurrent writer can change the bytes that arrive and nothing else.
    unsafe {
        core::arch::asm!(
            "rep movsq",
            "mov rcx, {rest}",
            "rep movsb",
            rest = in(reg) length & 7,
            inout("rcx") length / 8 => _,
            inout("rsi") from => _,
            inout("rdi") to => _,
            options(nostack, preserves_flags)
        );
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    // SAFETY: promised by the caller; one byte at a time, volatile, so that nothing is read twice.
    unsafe {
        for i in 0..length {
            to.add(i).write_volatile(from.add(i).read_volatile());
        }
    }
}
