//! `arch-x86/xen.h` and `arch-x86/xen-x86_64.h`: addresses, selectors and traps of a 64-bit PV guest.

use core::mem::{offset_of, size_of};

/// Code selector of a 64-bit PV kernel, which runs in ring 3.
pub const FLAT_RING3_CS64: u16 = 0xe033;

/// Where Xen maps the machine-to-physical table, read-only: 64-bit PFNs indexed by MFN.
pub const MACH2PHYS_VIRT_START: u64 = 0xffff_8000_0000_0000;

/// First address after the part of the address space that Xen keeps for itself.
pub const HYPERVISOR_VIRT_END: u64 = 0xffff_8800_0000_0000;

/// `struct trap_info`: an entry of the table that `HYPERVISOR_set_trap_table` takes; a zero address ends it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct TrapInfo {
    /// Exception vector.
    pub vector: u8,
    /// Bits 0-1: privilege level that may raise it; bit 2: mask events on delivery.
    pub flags: u8,
    /// Code selector of the handler.
    pub cs: u16,
    /// Handler.
    pub address: u64,
}

/// `struct arch_vcpu_info`.
#[repr(C)]
#[derive(Debug)]
pub struct ArchVcpuInfo {
    /// Address of the last page fault.
    pub cr2: u64,
    /// Reserved.
    pub pad: u64,
}

const _: () = {
    assert!(size_of::<TrapInfo>() == 16);
    assert!(offset_of!(TrapInfo, address) == 8);
    assert!(size_of::<ArchVcpuInfo>() == 16);
};
