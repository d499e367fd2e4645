//! Exceptions. None is expected, so each ends the domain, after its registers were written to the console; but for the
//! NMI, by which an operator asks for the registers of a running domain (`xl trigger <domain> nmi`).

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};

use x86_64::structures::idt::{ExceptionVector, PageFaultErrorCode, SelectorErrorCode};

use crate::clock;
use crate::console::{self, Line};
use crate::shutdown::{End, shutdown};

/// What the stubs push: general registers, vector, error code, and Xen's frame.
#[repr(C)]
pub(crate) struct Frame {
    r15: u64,
    r14: u64,
    r13: u64,
    r12: u64,
    r11: u64,
    r10: u64,
    r9: u64,
    r8: u64,
    rbp: u64,
    rdi: u64,
    rsi: u64,
    rdx: u64,
    rcx: u64,
    rbx: u64,
    rax: u64,
    vector: u64,
    error: u64,
    rip: u64,
    cs: u64,
    rflags: u64,
    rsp: u64,
    ss: u64,
}

static DYING: AtomicBool = AtomicBool::new(false);

/// Name of an exception.
fn name(vector: u64) -> &'static str {
    match vector {
        0 => "divide error",
        1 => "debug",
        3 => "breakpoint",
        4 => "overflow",
        5 => "bound range exceeded",
        6 => "invalid opcode",
        7 => "device not available",
        8 => "double fault",
        10 => "invalid TSS",
        11 => "segment not present",
        12 => "stack fault",
        13 => "general protection fault",
        14 => "page fault",
        16 => "x87 error",
        17 => "alignment check",
        18 => "machine check",
        19 => "SIMD error",
        _ => "exception",
    }
}

/// What an exception's error code says, where it says something.
struct Meaning<'a>(&'a Frame);

impl fmt::Display for Meaning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ExceptionVector::{GeneralProtection, InvalidTss, Page, SegmentNotPresent, Stack};

        let Self(frame) = self;
        match ExceptionVector::try_from(frame.vector as u8) {
            Ok(Page) => write!(
                f,
                " {:?}",
                PageFaultErrorCode::from_bits_truncate(frame.error)
            ),
            Ok(InvalidTss | SegmentNotPresent | Stack | GeneralProtection) if frame.error != 0 => {
                let code = SelectorErrorCode::new_truncate(frame.error);
                write!(f, " ({:?} entry {})", code.descriptor_table(), code.index())
            }
            _ => Ok(()),
        }
    }
}

/// Called by the stubs; never returns to them.
pub(crate) extern "C" fn on_trap(frame: &Frame) -> ! {
    if DYING.swap(true, Ordering::Relaxed) {
        crate::hypercall::sched_shutdown(xen_sys::sched::SHUTDOWN_CRASH);
    }
    let fault = clock::shared_info().map_or(0, |shared| shared.vcpu_info[0].arch.cr2);
    let mut title = Line::<256>::new();
    let _ = write!(
        title,
        "TRAP {}: {}, error code {:#x}{}, address {fault:#x}",
        frame.vector,
        name(frame.vector),
        frame.error,
        Meaning(frame),
    );
    dump(title.text(), frame);
    shutdown(End::Crash)
}

/// Called by the stub of the NMI, which goes on where the program was.
pub(crate) extern "C" fn on_nmi(frame: &Frame) {
    dump("NMI: the registers, as they are now; going on", frame);
}

/// Writes registers and call chain to the console.
fn dump(title: &str, frame: &Frame) {
    let mut text = Line::<1024>::new();
    let _ = write!(
        text,
        "\n{title}\n\
         rip {:016x}  rsp {:016x}  rflags {:08x}  cs {:04x}  ss {:04x}\n\
         rax {:016x}  rbx {:016x}  rcx {:016x}  rdx {:016x}\n\
         rsi {:016x}  rdi {:016x}  rbp {:016x}  r8  {:016x}\n\
         r9  {:016x}  r10 {:016x}  r11 {:016x}  r12 {:016x}\n\
         r13 {:016x}  r14 {:016x}  r15 {:016x}\n",
        frame.rip,
        frame.rsp,
        frame.rflags,
        frame.cs,
        frame.ss,
        frame.rax,
        frame.rbx,
        frame.rcx,
        frame.rdx,
        frame.rsi,
        frame.rdi,
        frame.rbp,
        frame.r8,
        frame.r9,
        frame.r10,
        frame.r11,
        frame.r12,
        frame.r13,
        frame.r14,
        frame.r15,
    );
    console::write(text.text());
    call_chain(frame.rbp);
}

/// Writes the return addresses that the frame pointers lead to, as long as they lie on the stack.
fn call_chain(rbp: u64) {
    let stack = crate::stack::stack();
    let mut rbp = rbp;
    for _ in 0..24 {
        if !rbp.is_multiple_of(8) || !stack.contains(&rbp) || !stack.contains(&(rbp + 15)) {
            break;
        }
        let at = rbp as *const u64;
        // SAFETY: 16 aligned bytes of the stack, as just checked.
        let (next, back) = unsafe { (at.read(), at.add(1).read()) };
        let mut line = Line::<40>::new();
        let _ = writeln!(line, "  called from {back:016x}");
        console::write(line.text());
        if next <= rbp {
            break;
        }
        rbp = next;
    }
}

/// Writes why Rust panicked, then ends the domain.
#[cfg(target_os = "none")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    if DYING.swap(true, Ordering::Relaxed) {
        crate::hypercall::sched_shutdown(xen_sys::sched::SHUTDOWN_CRASH);
    }
    let mut text = Line::<1024>::new();
    let _ = writeln!(text, "\nPANIC {info}");
    console::write(text.text());
    shutdown(End::Crash)
}
