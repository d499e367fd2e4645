//! `xen.h`: hypercall numbers, page-table updates, start-of-day and shared information.

use core::mem::{offset_of, size_of};
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64};

use crate::arch_x86::ArchVcpuInfo;

/// Set the exception handlers.
pub const HYPERVISOR_SET_TRAP_TABLE: u64 = 0;
/// Change page-table entries or the machine-to-physical table.
pub const HYPERVISOR_MMU_UPDATE: u64 = 1;
/// Reservations of memory.
pub const HYPERVISOR_MEMORY_OP: u64 = 12;
/// Change the page-table entry of an address.
pub const HYPERVISOR_UPDATE_VA_MAPPING: u64 = 14;
/// Version of Xen.
pub const HYPERVISOR_XEN_VERSION: u64 = 17;
/// Emergency console.
pub const HYPERVISOR_CONSOLE_IO: u64 = 18;
/// Grants.
pub const HYPERVISOR_GRANT_TABLE_OP: u64 = 20;
/// Going on after an NMI: `struct iret_context` lies on the stack.
pub const HYPERVISOR_IRET: u64 = 23;
/// The processors of the domain itself.
pub const HYPERVISOR_VCPU_OP: u64 = 24;
/// Extended page-table operations.
pub const HYPERVISOR_MMUEXT_OP: u64 = 26;
/// Scheduling and shutdown.
pub const HYPERVISOR_SCHED_OP: u64 = 29;
/// Event channels.
pub const HYPERVISOR_EVENT_CHANNEL_OP: u64 = 32;
/// `HYPERVISOR_physdev_op`.
pub const HYPERVISOR_PHYSDEV_OP: u64 = 33;

/// `HYPERVISOR_console_io`: write.
pub const CONSOLEIO_WRITE: u32 = 0;

/// The calling domain.
pub const DOMID_SELF: u16 = 0x7ff0;
/// First number that is no domain's.
pub const DOMID_FIRST_RESERVED: u16 = 0x7ff0;

/// `mmu_update`: checked store to a page-table entry.
pub const MMU_NORMAL_PT_UPDATE: u64 = 0;
/// `mmu_update`: store to the machine-to-physical table.
pub const MMU_MACHPHYS_UPDATE: u64 = 1;
/// `mmuext_op`: fill a page with zeros.
pub const MMUEXT_CLEAR_PAGE: u32 = 16;

/// `update_va_mapping`: flush that address from the TLB.
pub const UVMF_INVLPG: u64 = 2;

/// `struct mmu_update`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct MmuUpdate {
    /// Machine address of the entry, command in the low two bits.
    pub ptr: u64,
    /// The new value.
    pub val: u64,
}

/// `struct mmuext_op`.
#[repr(C)]
#[derive(Debug)]
pub struct MmuextOp {
    /// `MMUEXT_*`.
    pub cmd: u32,
    /// A machine frame or an address.
    pub arg1: u64,
    /// Second argument.
    pub arg2: u64,
}

/// `struct vcpu_time_info`.
#[repr(C)]
#[derive(Debug)]
pub struct VcpuTimeInfo {
    /// Odd while Xen writes.
    pub version: AtomicU32,
    /// Padding.
    pub pad0: u32,
    /// Time stamp counter at the last update.
    pub tsc_timestamp: AtomicU64,
    /// Nanoseconds since boot at the last update.
    pub system_time: AtomicU64,
    /// Scale of the counter, a fraction of 2^32.
    pub tsc_to_system_mul: AtomicU32,
    /// In bits 0-7: signed shift of the counter before scaling.
    pub tsc_shift: AtomicU32,
}

/// `struct vcpu_info`.
#[repr(C)]
#[derive(Debug)]
pub struct VcpuInfo {
    /// An event waits.
    pub evtchn_upcall_pending: AtomicU8,
    /// No upcalls while not 0.
    pub evtchn_upcall_mask: AtomicU8,
    /// Words of the pending bits that have a bit set.
    pub evtchn_pending_sel: AtomicU64,
    /// Architecture's part.
    pub arch: ArchVcpuInfo,
    /// Time.
    pub time: VcpuTimeInfo,
}

/// `struct shared_info`, up to the mask bits.
#[repr(C)]
#[derive(Debug)]
pub struct SharedInfo {
    /// Per vCPU.
    pub vcpu_info: [VcpuInfo; 32],
    /// A bit per port: an event waits.
    pub evtchn_pending: [AtomicU64; 64],
    /// A bit per port: no upcall for it.
    pub evtchn_mask: [AtomicU64; 64],
}

/// Bytes of the command line, the NUL included.
pub const MAX_GUEST_CMDLINE: usize = 1024;

/// `struct start_info`, what a PV kernel finds in rsi.
#[repr(C)]
#[derive(Debug)]
pub struct StartInfo {
    /// `xen-<version>-<platform>`.
    pub magic: [u8; 32],
    /// Pages of the domain.
    pub nr_pages: u64,
    /// Machine address of the shared information.
    pub shared_info: u64,
    /// `SIF_*`.
    pub flags: u32,
    /// Machine frame of the xenstore ring.
    pub store_mfn: u64,
    /// Port of xenstore.
    pub store_evtchn: u32,
    /// Machine frame of the console ring.
    pub console_mfn: u64,
    /// Port of the console.
    pub console_evtchn: u32,
    /// Virtual address of the top page table.
    pub pt_base: u64,
    /// Frames of the boot page tables.
    pub nr_pt_frames: u64,
    /// Virtual address of the physical-to-machine list.
    pub mfn_list: u64,
    /// Virtual address of a module.
    pub mod_start: u64,
    /// Bytes of that module.
    pub mod_len: u64,
    /// Command line, NUL-terminated.
    pub cmd_line: [u8; MAX_GUEST_CMDLINE],
    /// First frame of the physical-to-machine list.
    pub first_p2m_pfn: u64,
    /// Frames of that list.
    pub nr_p2m_frames: u64,
}

const _: () = {
    assert!(size_of::<MmuUpdate>() == 16);
    assert!(size_of::<MmuextOp>() == 24);
    assert!(size_of::<VcpuTimeInfo>() == 32);
    assert!(size_of::<VcpuInfo>() == 64);
    assert!(offset_of!(VcpuInfo, time) == 32);
    assert!(offset_of!(SharedInfo, evtchn_pending) == 2048);
    assert!(offset_of!(SharedInfo, evtchn_mask) == 2560);
    assert!(offset_of!(StartInfo, nr_pages) == 32);
    assert!(offset_of!(StartInfo, store_mfn) == 56);
    assert!(offset_of!(StartInfo, console_mfn) == 72);
    assert!(offset_of!(StartInfo, pt_base) == 88);
    assert!(offset_of!(StartInfo, cmd_line) == 128);
    assert!(offset_of!(StartInfo, first_p2m_pfn) == 1152);
};
