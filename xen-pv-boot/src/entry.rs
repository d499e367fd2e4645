//! From the domain builder's jump to the program's main function.

use core::arch::global_asm;

use xen_sys::elfnote;
use xen_sys::xen::StartInfo;

use crate::boot::boot;
use crate::memory::Footprint;
use crate::stack::{STACK, STACK_SIZE};

// What the domain builder reads (elfnote.h), and the entry point.
global_asm!(
    r#"
.macro XEN_NOTE type, data:vararg
    .pushsection .note.Xen, "a", @note
    .balign 4
    .long 4, 9f - 8f, \type
    .asciz "Xen"
8:  \data
9:  .balign 4
    .popsection
.endm
XEN_NOTE {note_guest_os}, .asciz "xen2mx"
XEN_NOTE {note_xen_version}, .asciz "xen-3.0"
XEN_NOTE {note_loader}, .asciz "generic"
XEN_NOTE {note_virt_base}, .quad VIRT_BASE
XEN_NOTE {note_paddr_offset}, .quad VIRT_BASE
XEN_NOTE {note_entry}, .quad _start
XEN_NOTE {note_features}, .asciz "!writable_page_tables|pae_pgdir_above_4gb"

.pushsection .text.start, "ax", @progbits
.globl _start
_start:
    cld
    lea rsp, [{stack} + {stack_size}]
    xor ebp, ebp
    mov rdi, rsi
    call {start}
    ud2
.popsection
"#,
    note_guest_os = const elfnote::GUEST_OS,
    note_xen_version = const elfnote::XEN_VERSION,
    note_loader = const elfnote::LOADER,
    note_virt_base = const elfnote::VIRT_BASE,
    note_paddr_offset = const elfnote::PADDR_OFFSET,
    note_entry = const elfnote::ENTRY,
    note_features = const elfnote::FEATURES,
    stack = sym STACK,
    stack_size = const STACK_SIZE,
    start = sym start,
);

unsafe extern "Rust" {
    /// Defined by [`crate::entry!`].
    safe fn xen_pv_main(machine: crate::Machine) -> !;
    /// As well.
    safe fn xen_pv_footprint() -> Footprint;
}

extern "C" fn start(info: &'static StartInfo) -> ! {
    // SAFETY: the domain builder passes the start info in rsi, and this is the first and only call.
    let machine = unsafe { boot(info, &xen_pv_footprint()) };
    xen_pv_main(machine)
}
