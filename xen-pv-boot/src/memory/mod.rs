//! The domain's memory.
//!
//! | addresses | what |
//! |---|---|
//! | `0xffff_8800_0000_0000` | direct map: all own pages, by PFN |
//! | `0xffff_8810_0000_0000` | grant arena: up to 1 GiB for foreign pages, as the program chooses ([`Footprint`]) |
//! | `0xffff_8810_4000_0000` | window: 16 MiB for device registers and pages of Xen |
//! | `0xffff_ffff_8000_0000` | the boot mapping: image, P2M, start info, console, xenstore, page tables |
//!
//! All page tables are made once at boot, from pages that were never mapped writable; 4 KiB pages only, since PV
//! guests have no others.

pub mod devices;
pub mod dma;
mod footprint;
pub(crate) mod heap;
pub(crate) mod pool;
pub mod shared;
pub(crate) mod small;
pub(crate) mod tables;
pub(crate) mod window;

pub use footprint::Footprint;

use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use xen_sys::arch_x86::MACH2PHYS_VIRT_START;
use xen_sys::xen::StartInfo;

use crate::types::{Mfn, PAGE_SHIFT, PAGE_SIZE, Pfn};

/// Virtual address of PFN 0 in the boot mapping; the linker script says the same.
pub(crate) const VIRT_BASE: u64 = 0xffff_ffff_8000_0000;
pub(crate) const DIRECT_MAP: u64 = 0xffff_8800_0000_0000;
pub(crate) const ARENA: u64 = 0xffff_8810_0000_0000;
/// Pages from the arena's start to the window: the most that an arena has.
pub(crate) const WINDOW_OFFSET: usize = 1 << 18;
pub(crate) const WINDOW: u64 = ARENA + ((WINDOW_OFFSET as u64) << PAGE_SHIFT);
pub(crate) const WINDOW_PAGES: usize = 1 << 12;
/// Pages that one page table of the lowest level maps.
pub(crate) const PAGES_PER_TABLE: usize = 512;

/// Flags of a page-table entry.
pub(crate) mod entry {
    use x86_64::structures::paging::PageTableFlags as Flags;

    /// A page that is read.
    pub(crate) const READ: Flags = Flags::PRESENT
        .union(Flags::USER_ACCESSIBLE)
        .union(Flags::ACCESSED)
        .union(Flags::DIRTY)
        .union(Flags::NO_EXECUTE);
    /// A page that is written too.
    pub(crate) const WRITE: Flags = READ.union(Flags::WRITABLE);
    /// Registers of a device.
    pub(crate) const DEVICE: Flags = WRITE.union(Flags::NO_CACHE);
    /// Of an entry that names the next table.
    pub(crate) const TABLE: Flags = Flags::PRESENT
        .union(Flags::WRITABLE)
        .union(Flags::USER_ACCESSIBLE)
        .union(Flags::ACCESSED);
}

static P2M: AtomicPtr<u64> = AtomicPtr::new(core::ptr::null_mut());
static PAGES: AtomicU64 = AtomicU64::new(0);

/// Takes the physical-to-machine list.
///
/// # Safety
/// `info` is what Xen handed to this domain.
pub(crate) unsafe fn init_p2m(info: &StartInfo) {
    P2M.store(info.mfn_list as *mut u64, Ordering::Release);
    PAGES.store(info.nr_pages, Ordering::Release);
}

/// Pages of the domain.
pub fn pages() -> u64 {
    PAGES.load(Ordering::Acquire)
}

/// The machine frame of an own page; `None` beyond the domain's memory.
pub fn mfn(pfn: Pfn) -> Option<Mfn> {
    if pfn.0 >= pages() {
        return None;
    }
    // SAFETY: the list has an entry per page, is mapped for good, and only this vCPU writes it.
    Some(Mfn(unsafe {
        P2M.load(Ordering::Acquire)
            .add(pfn.0 as usize)
            .read_volatile()
    }))
}

/// Whether a machine frame is one of the domain's own pages.
pub(crate) fn is_own(frame: Mfn) -> bool {
    (0..pages()).any(|pfn| mfn(Pfn(pfn)) == Some(frame))
}

/// Notes that an own page now is another machine frame.
fn set_mfn(pfn: Pfn, mfn: Mfn) {
    if pfn.0 < pages() {
        // SAFETY: as for `mfn`.
        unsafe {
            P2M.load(Ordering::Acquire)
                .add(pfn.0 as usize)
                .write_volatile(mfn.0)
        }
    }
}

/// Address in the boot mapping of a page that Xen names by its machine frame (console, xenstore).
///
/// # Safety
/// The frame must be one of the boot pages of this domain.
pub(crate) unsafe fn boot_page(mfn: Mfn) -> u64 {
    // SAFETY: Xen maps its machine-to-physical table for every PV guest, and the frame exists.
    let pfn = unsafe {
        (MACH2PHYS_VIRT_START as *const u64)
            .add(mfn.0 as usize)
            .read_volatile()
    };
    VIRT_BASE + (pfn << PAGE_SHIFT)
}

/// Where a page lies in the direct map.
pub(crate) const fn direct(pfn: Pfn) -> u64 {
    DIRECT_MAP + (pfn.0 << PAGE_SHIFT)
}

/// Pages that `bytes` bytes take.
pub(crate) const fn pages_of(bytes: usize) -> usize {
    bytes.div_ceil(PAGE_SIZE)
}
