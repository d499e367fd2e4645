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
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline]
pub(crate) unsafe fn between(from: *const u8, to: *mut u8, length: usize) {
    // SAFETY: promised by the caller, for all three.
    unsafe {
        match length {
            0..8 => short(from, to, length),
            8..=WORDS_MAX => words(from, to, length),
            _ => string(from, to, length),
        }
    }
}

/// Longest copy by single moves, one line: the string instruction takes some 12 ns to start (`benches/copy.rs`, EPYC).
#[cfg(all(target_arch = "x86_64", not(miri)))]
const WORDS_MAX: usize = 64;

/// Copies by a string instruction.
///
/// # Safety
/// As for [`between`].
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline]
unsafe fn string(from: *const u8, to: *mut u8, length: usize) {
    // SAFETY: both spans are mapped; the instructions are invisible to the compiler's memory model, so that a
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
}

/// Copies by eight bytes; the last move overlaps the one before where the length is odd.
///
/// # Safety
/// As for [`between`], and `length` is at least 8.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline]
unsafe fn words(from: *const u8, to: *mut u8, length: usize) {
    let last = length - 8;
    let mut at = 0;
    while at < last {
        // SAFETY: `at + 8` is below `length`.
        unsafe { move8(from.add(at), to.add(at)) };
        at += 8;
    }
    // SAFETY: the last eight bytes of the spans.
    unsafe { move8(from.add(last), to.add(last)) };
}

/// Copies eight bytes of any alignment.
///
/// # Safety
/// As for [`between`].
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline(always)]
unsafe fn move8(from: *const u8, to: *mut u8) {
    // SAFETY: as for `string`.
    unsafe {
        core::arch::asm!(
            "mov {word}, qword ptr [{from}]",
            "mov qword ptr [{to}], {word}",
            word = out(reg) _,
            from = in(reg) from,
            to = in(reg) to,
            options(nostack, preserves_flags)
        );
    }
}

/// Copies bytes one by one.
///
/// # Safety
/// As for [`between`].
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline]
unsafe fn short(from: *const u8, to: *mut u8, length: usize) {
    for at in 0..length {
        // SAFETY: in the spans; volatile, so that nothing is read twice.
        unsafe { to.add(at).write_volatile(from.add(at).read_volatile()) };
    }
}

/// Copies between two spans, of which any may be shared.
///
/// # Safety
/// Both spans are mapped for `length` bytes, `to` is writable, and they do not overlap.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
pub(crate) unsafe fn between(from: *const u8, to: *mut u8, length: usize) {
    for at in 0..length {
        // SAFETY: in the spans; volatile, so that nothing is read twice.
        unsafe { to.add(at).write_volatile(from.add(at).read_volatile()) };
    }
}
