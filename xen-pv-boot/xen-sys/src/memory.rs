//! `memory.h`: the parts of `HYPERVISOR_memory_op` that change a domain's own memory.

use core::mem::{offset_of, size_of};

/// Exchange pages for others, for instance for machine-contiguous ones.
pub const XENMEM_EXCHANGE: u32 = 11;

/// `struct xen_memory_reservation`.
#[repr(C)]
#[derive(Debug)]
pub struct MemoryReservation {
    /// List of frame numbers, in or out.
    pub extent_start: *mut u64,
    /// Extents of the list.
    pub nr_extents: u64,
    /// Pages of an extent, as a power of two.
    pub extent_order: u32,
    /// `XENMEMF_*`: address bits and node.
    pub mem_flags: u32,
    /// Whose memory, `DOMID_SELF`.
    pub domid: u16,
}

/// `struct xen_memory_exchange`.
#[repr(C)]
#[derive(Debug)]
pub struct MemoryExchange {
    /// What the domain gives: machine frames.
    pub input: MemoryReservation,
    /// What it gets; in: pseudo-physical frames, out: machine frames.
    pub output: MemoryReservation,
    /// Extents exchanged; must be 0 on entry.
    pub nr_exchanged: u64,
}

const _: () = {
    assert!(size_of::<MemoryReservation>() == 32);
    assert!(offset_of!(MemoryReservation, domid) == 24);
    assert!(size_of::<MemoryExchange>() == 72);
};
