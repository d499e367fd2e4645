//! Numbers that must not be confused.

use core::fmt;

use x86_64::structures::paging::PageTableFlags;

pub use mx_ring::PAGE_SIZE;
pub(crate) const PAGE_SHIFT: u32 = PAGE_SIZE.trailing_zeros();

/// A page frame of the domain's own, contiguous numbering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pfn(pub u64);

/// A frame of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mfn(pub u64);

impl Mfn {
    /// The address that a device uses for the frame's first byte.
    pub const fn bus(self) -> u64 {
        self.0 << PAGE_SHIFT
    }

    /// A page-table entry that leads to the frame.
    pub(crate) const fn entry(self, flags: PageTableFlags) -> u64 {
        self.bus() | flags.bits()
    }
}

/// The number of a domain of this host: never one of those that Xen reserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomId(u16);

impl DomId {
    /// The domain that creates the others, and has xenstore.
    pub const DOM0: Self = Self(0);

    /// Checks that the number can be a domain's: below 0x7ff0.
    pub const fn new(number: u16) -> Option<Self> {
        if number < xen_sys::xen::DOMID_FIRST_RESERVED {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The number as Xen takes it.
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for DomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "d{}", self.0)
    }
}

/// An entry of some domain's grant table. Which domain's, the context says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantRef(pub u32);

/// An event channel of another domain, as it told by xenstore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemotePort(pub u32);

/// A negative result of a hypercall (`errno.h`, as a positive number).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i64);

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            1 => "EPERM",
            3 => "ESRCH",
            12 => "ENOMEM",
            14 => "EFAULT",
            16 => "EBUSY",
            22 => "EINVAL",
            28 => "ENOSPC",
            38 => "ENOSYS",
            number => return write!(f, "error {number}"),
        };
        f.write_str(name)
    }
}

impl core::error::Error for Errno {}
