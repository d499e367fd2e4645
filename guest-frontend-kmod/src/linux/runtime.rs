//! What a Rust program finds below it: memory, a place for panics, a log.

use core::alloc::{GlobalAlloc, Layout};
use core::fmt::Write;

use super::shim;

/// The kernel's allocator. All allocations of the crate are fallible ones (`try_reserve`).
struct KernelMemory;

// SAFETY: `shim_allocate` returns null or memory of that size and alignment, which is its caller's until `shim_free`.
unsafe impl GlobalAlloc for KernelMemory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: no condition on the numbers.
        unsafe { shim::shim_allocate(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, _: Layout) {
        // SAFETY: it came from `alloc`.
        unsafe { shim::shim_free(memory) }
    }
}

#[global_allocator]
static MEMORY: KernelMemory = KernelMemory;

/// A line of text; what does not fit is cut.
pub struct Line {
    bytes: [u8; 160],
    length: usize,
}

impl Line {
    /// An empty line.
    pub const fn new() -> Self {
        Self {
            bytes: [0; 160],
            length: 0,
        }
    }

    /// The text so far.
    pub fn text(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for (to, from) in self.bytes.iter_mut().skip(self.length).zip(text.bytes()) {
            *to = from;
            self.length += 1;
        }
        Ok(())
    }
}

/// Level of an error in the kernel's log.
pub const ERROR: i32 = 3;

/// Writes a line to the kernel's log.
pub fn log(level: i32, arguments: core::fmt::Arguments<'_>) {
    let mut line = Line::new();
    // A `Line` takes everything.
    let _ = line.write_fmt(arguments);
    let text = line.text();
    // SAFETY: pointer and length are those of a slice.
    unsafe { shim::shim_log(level, text.as_ptr(), text.len()) }
}

/// Ends the calling process with a register dump (`BUG()`), as a defect of the kernel does. Nothing that a process, the
/// backend or xenstore says leads here.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let (file, line) = info
        .location()
        .map_or(("?", 0), |location| (location.file(), location.line()));
    let mut message = Line::new();
    let _ = write!(message, "{}", info.message());
    let text = message.text();
    // SAFETY: pointers and lengths are those of slices; `shim_panic` does not return, and `ud2` says so to objtool.
    unsafe {
        shim::shim_panic(file.as_ptr(), file.len(), line, text.as_ptr(), text.len());
        core::arch::asm!("ud2", options(noreturn))
    }
}
