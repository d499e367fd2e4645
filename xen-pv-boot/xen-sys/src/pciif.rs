//! `io/pciif.h`: the page that a PCI frontend shares with its backend.

use core::mem::{offset_of, size_of};
use core::sync::atomic::AtomicU32;

/// Value of the frontend's `magic` node.
pub const XEN_PCI_MAGIC: &str = "7";

/// Flag: an operation of the frontend waits or runs.
pub const XEN_PCIF_ACTIVE: u32 = 1 << 0;

/// Read configuration space.
pub const XEN_PCI_OP_CONF_READ: u32 = 0;
/// Write configuration space.
pub const XEN_PCI_OP_CONF_WRITE: u32 = 1;
/// Enable MSI; the value returned is the interrupt.
pub const XEN_PCI_OP_ENABLE_MSI: u32 = 2;
/// Disable MSI.
pub const XEN_PCI_OP_DISABLE_MSI: u32 = 3;
/// Enable MSI-X; the interrupts are returned in the entries' vectors.
pub const XEN_PCI_OP_ENABLE_MSIX: u32 = 4;
/// Disable MSI-X.
pub const XEN_PCI_OP_DISABLE_MSIX: u32 = 5;

/// Entries of an operation's MSI-X list (`SH_INFO_MAX_VEC`).
pub const MAX_VECTORS: usize = 128;

/// `struct xen_pci_op` and the flags before it (`struct xen_pci_sharedinfo`), as words that both sides may change.
#[repr(C)]
#[derive(Debug)]
pub struct PciSharedInfo {
    /// `XEN_PCIF_*`.
    pub flags: AtomicU32,
    /// In: `XEN_PCI_OP_*`.
    pub command: AtomicU32,
    /// Out: 0 or a negative error.
    pub error: AtomicU32,
    /// In: PCI domain.
    pub domain: AtomicU32,
    /// In: bus.
    pub bus: AtomicU32,
    /// In: device << 3 | function.
    pub devfn: AtomicU32,
    /// In: register.
    pub offset: AtomicU32,
    /// In: bytes.
    pub size: AtomicU32,
    /// In or out: the value.
    pub value: AtomicU32,
    /// In: `struct xen_pci_op.info`.
    pub info: AtomicU32,
    /// In and out: `struct xen_msix_entry`, vector in the low, entry in the high half.
    pub msix_entries: [AtomicU32; MAX_VECTORS],
}

const _: () = {
    assert!(offset_of!(PciSharedInfo, command) == 4);
    assert!(offset_of!(PciSharedInfo, value) == 32);
    assert!(offset_of!(PciSharedInfo, msix_entries) == 40);
    assert!(size_of::<PciSharedInfo>() == 40 + 4 * MAX_VECTORS);
};
