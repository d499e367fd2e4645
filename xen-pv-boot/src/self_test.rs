//! Faults on purpose: an operator, and a test, see what such an end leaves on the console.

use core::fmt;

/// A way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A page fault, with known values in the registers: they are written to the console.
    Trap,
    /// A panic of Rust: its message is written to the console.
    Panic,
    /// A stack that grows beyond its end: Xen writes the registers to its own console (`xl dmesg`).
    Stack,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trap => "a trap",
            Self::Panic => "a panic",
            Self::Stack => "a stack that grows too far",
        })
    }
}

/// Ends the domain by this fault.
#[cfg(target_os = "none")]
pub fn fail(fault: Fault) -> ! {
    match fault {
        Fault::Trap => trap(),
        Fault::Panic => panic!("the self-test asked for a panic"),
        Fault::Stack => grow(0),
    }
}

/// Reads an address that is not mapped.
#[cfg(target_os = "none")]
fn trap() -> ! {
    // SAFETY: nothing runs after the fault, which ends the domain; rbp stays, so that the callers are found.
    unsafe {
        core::arch::asm!(
            "mov rax, 0x1111111111111111",
            "mov rbx, 0x2222222222222222",
            "mov rcx, 0x3333333333333333",
            "mov rdx, 0x4444444444444444",
            "mov rsi, 0x5555555555555555",
            "mov rdi, 0x6666666666666666",
            "mov r8, 0x8888888888888888",
            "mov r9, 0x9999999999999999",
            "mov r10, 0xaaaaaaaaaaaaaaaa",
            "mov r11, 0xbbbbbbbbbbbbbbbb",
            "mov r12, 0xcccccccccccccccc",
            "mov r13, 0xdddddddddddddddd",
            "mov r14, 0xeeeeeeeeeeeeeeee",
            "mov r15, 0x00000dead0000000",
            "mov rax, qword ptr [r15]",
            "ud2",
            options(noreturn)
        )
    }
}

/// Calls itself until the stack ends.
#[cfg(target_os = "none")]
#[inline(never)]
#[expect(unconditional_recursion, reason = "it is to end the stack")]
fn grow(depth: u64) -> ! {
    let frame = core::hint::black_box([depth; 64]);
    grow(frame[0] + 1)
}
