//! `grant_table.h`: version 1 of the grant table, and `HYPERVISOR_grant_table_op`.

use core::mem::{offset_of, size_of};
use core::sync::atomic::{AtomicU16, AtomicU32};

/// Map a foreign grant.
pub const GNTTABOP_MAP_GRANT_REF: u32 = 0;
/// Unmap a foreign grant.
pub const GNTTABOP_UNMAP_GRANT_REF: u32 = 1;
/// Learn the frames of the own grant table.
pub const GNTTABOP_SETUP_TABLE: u32 = 2;

/// Map for devices (through an IOMMU).
pub const GNTMAP_DEVICE_MAP: u32 = 1 << 0;
/// Map for the processor.
pub const GNTMAP_HOST_MAP: u32 = 1 << 1;
/// Map read-only.
pub const GNTMAP_READONLY: u32 = 1 << 2;

/// The operation was carried out.
pub const GNTST_OKAY: i16 = 0;

/// The entry grants access to a page.
pub const GTF_PERMIT_ACCESS: u16 = 1;
/// Only for reading.
pub const GTF_READONLY: u16 = 1 << 2;
/// Xen: the page is mapped for reading.
pub const GTF_READING: u16 = 1 << 3;
/// Xen: the page is mapped for writing.
pub const GTF_WRITING: u16 = 1 << 4;

/// Entries at the start of the table that the tools keep for console and xenstore.
pub const GNTTAB_NR_RESERVED_ENTRIES: u32 = 8;

/// `struct grant_entry_v1`.
#[repr(C)]
#[derive(Debug)]
pub struct GrantEntryV1 {
    /// `GTF_*`; written last.
    pub flags: AtomicU16,
    /// Who may map the page.
    pub domid: AtomicU16,
    /// The machine frame.
    pub frame: AtomicU32,
}

/// `struct gnttab_map_grant_ref`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct MapGrantRef {
    /// In: virtual address to map at.
    pub host_addr: u64,
    /// In: `GNTMAP_*`.
    pub flags: u32,
    /// In: reference in the granter's table.
    pub gref: u32,
    /// In: the granter.
    pub dom: u16,
    /// Out: `GNTST_*`.
    pub status: i16,
    /// Out: what names the mapping when it is undone.
    pub handle: u32,
    /// Out: address for devices.
    pub dev_bus_addr: u64,
}

/// `struct gnttab_unmap_grant_ref`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct UnmapGrantRef {
    /// In: virtual address of the mapping.
    pub host_addr: u64,
    /// In: address for devices, 0 to leave it.
    pub dev_bus_addr: u64,
    /// In: as the map operation returned it.
    pub handle: u32,
    /// Out: `GNTST_*`.
    pub status: i16,
    /// Padding.
    pub pad: u16,
}

/// `struct gnttab_setup_table`.
#[repr(C)]
#[derive(Debug)]
pub struct SetupTable {
    /// In: whose table, `DOMID_SELF`.
    pub dom: u16,
    /// In: frames wanted.
    pub nr_frames: u32,
    /// Out: `GNTST_*`.
    pub status: i16,
    /// Out: where Xen puts the machine frame numbers.
    pub frame_list: *mut u64,
}

const _: () = {
    assert!(size_of::<GrantEntryV1>() == 8);
    assert!(size_of::<MapGrantRef>() == 32);
    assert!(offset_of!(MapGrantRef, status) == 18);
    assert!(offset_of!(MapGrantRef, dev_bus_addr) == 24);
    assert!(size_of::<UnmapGrantRef>() == 24);
    assert!(offset_of!(UnmapGrantRef, status) == 20);
    assert!(size_of::<SetupTable>() == 24);
    assert!(offset_of!(SetupTable, frame_list) == 16);
};
