//! Where Xen enters the program at an exception.

use core::arch::global_asm;

use xen_sys::arch_x86::{FLAT_RING3_CS64, TrapInfo};
use xen_sys::xen::HYPERVISOR_IRET;

use crate::traps::{on_nmi, on_trap};

// A stub per exception. Xen pushes rcx and r11 on top of the usual frame (xen-x86_64.h); the stubs bring all exceptions into
// the form of `traps::Frame`.
global_asm!(
    r#"
.pushsection .text.traps, "ax", @progbits
.macro TRAP_WITH_ERROR vector
trap_\vector:
    pop rcx
    pop r11
    push \vector
    jmp trap_common
.endm
.macro TRAP_WITHOUT_ERROR vector
trap_\vector:
    pop rcx
    pop r11
    push 0
    push \vector
    jmp trap_common
.endm
TRAP_WITHOUT_ERROR 0
TRAP_WITHOUT_ERROR 1
TRAP_WITHOUT_ERROR 3
TRAP_WITHOUT_ERROR 4
TRAP_WITHOUT_ERROR 5
TRAP_WITHOUT_ERROR 6
TRAP_WITHOUT_ERROR 7
TRAP_WITH_ERROR 8
TRAP_WITH_ERROR 10
TRAP_WITH_ERROR 11
TRAP_WITH_ERROR 12
TRAP_WITH_ERROR 13
TRAP_WITH_ERROR 14
TRAP_WITHOUT_ERROR 16
TRAP_WITH_ERROR 17
TRAP_WITHOUT_ERROR 18
TRAP_WITHOUT_ERROR 19
.macro SAVE_REGISTERS
    push rax
    push rbx
    push rcx
    push rdx
    push rsi
    push rdi
    push rbp
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    mov rdi, rsp
    mov rbx, rsp
    and rsp, -16
.endm
trap_common:
    SAVE_REGISTERS
    call {on_trap}
    ud2
// The one exception that the program goes on after. Only the iret hypercall ends an NMI for Xen; its frame
// (struct iret_context, xen-x86_64.h) is rax, r11, rcx, flags, and what Xen has pushed.
trap_2:
    pop rcx
    pop r11
    push 0
    push 2
    SAVE_REGISTERS
    call {on_nmi}
    mov rsp, rbx
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rbp
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rbx
    pop rax
    add rsp, 16
    push 0
    push rcx
    push r11
    push rax
    mov eax, {iret}
    syscall
    ud2
.popsection
"#,
    on_trap = sym on_trap,
    on_nmi = sym on_nmi,
    iret = const HYPERVISOR_IRET,
);

macro_rules! trap_table {
    ($($vector:literal => $stub:ident),* $(,)?) => {
        unsafe extern "C" { $(fn $stub();)* }
        /// The table for Xen; an address of 0 ends it.
        pub(crate) fn trap_table() -> [TrapInfo; 19] {
            [
                $(TrapInfo { vector: $vector, flags: 0, cs: FLAT_RING3_CS64, address: $stub as *const () as u64 },)*
                TrapInfo { vector: 0, flags: 0, cs: 0, address: 0 },
            ]
        }
    };
}
trap_table! {
    0 => trap_0, 1 => trap_1, 2 => trap_2, 3 => trap_3, 4 => trap_4, 5 => trap_5, 6 => trap_6, 7 => trap_7, 8 => trap_8,
    10 => trap_10, 11 => trap_11, 12 => trap_12, 13 => trap_13, 14 => trap_14, 16 => trap_16, 17 => trap_17,
    18 => trap_18, 19 => trap_19,
}
