//! `elfnote.h`: what the domain builder reads from a kernel image (owner "Xen").

/// Virtual address of the entry point.
pub const ENTRY: u32 = 1;
/// Virtual address of pseudo-physical address 0.
pub const VIRT_BASE: u32 = 3;
/// Offset of the addresses in the program headers.
pub const PADDR_OFFSET: u32 = 4;
/// Version of the interface, a string.
pub const XEN_VERSION: u32 = 5;
/// Name of the guest, a string.
pub const GUEST_OS: u32 = 6;
/// Which loader to use, a string. Without it, "no loader found".
pub const LOADER: u32 = 8;
/// Features that the kernel needs or knows, a string.
pub const FEATURES: u32 = 10;
