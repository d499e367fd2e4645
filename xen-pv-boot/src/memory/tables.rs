//! Page tables: the boot tables end with the boot mapping, so the rest is linked in here.
//!
//! A page table must be read-only in every mapping. So the pages behind what the domain builder placed become tables:
//! they lose their writable boot mapping where they have one (the builder rounds its mapping up to 4 MiB), Xen clears
//! and fills them on request, and the direct map shows them read-only.

use x86_64::VirtAddr;
use x86_64::structures::paging::{PageTableFlags, PageTableIndex};
use xen_sys::xen::{MMU_NORMAL_PT_UPDATE, MmuUpdate, StartInfo};

use super::{
    ARENA, DIRECT_MAP, Footprint, PAGES_PER_TABLE, VIRT_BASE, WINDOW, WINDOW_PAGES, entry, mfn,
};
use crate::hypercall;
use crate::types::{Errno, Mfn, PAGE_SHIFT, Pfn};

/// Entries of a table.
const ENTRIES: u64 = PAGES_PER_TABLE as u64;

/// Which own pages are spoken for after boot.
pub(crate) struct Layout {
    /// First page that is free for heap and devices.
    pub first_free: Pfn,
}

/// Hands out pages for tables, in order.
struct Tables {
    next: Pfn,
    end: Pfn,
    /// Pages below this one are in the boot mapping.
    boot_mapped: Pfn,
}

/// Why boot cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BootError {
    /// The domain has too few pages for its page tables.
    #[error("the domain is too small for its program, give it more memory")]
    TooSmall,
    /// Xen refused a page-table operation.
    #[error("Xen refused a page table: {0}")]
    Refused(Errno),
}

impl From<Errno> for BootError {
    fn from(error: Errno) -> Self {
        Self::Refused(error)
    }
}

impl Tables {
    fn new_table(&mut self) -> Result<Mfn, BootError> {
        let pfn = self.next;
        if pfn >= self.end {
            return Err(BootError::TooSmall);
        }
        self.next = Pfn(pfn.0 + 1);
        let frame = mfn(pfn).ok_or(BootError::TooSmall)?;
        // SAFETY: nobody has used the page yet: it lies behind everything that the domain builder placed.
        unsafe {
            hypercall::clear_page(frame.0)?;
            if pfn < self.boot_mapped {
                let address = VIRT_BASE + (pfn.0 << PAGE_SHIFT);
                hypercall::update_va_mapping(address, frame.entry(entry::READ))?;
            }
        }
        Ok(frame)
    }
}

/// Number of tables of a level that map `pages` pages, with `per` pages each.
const fn count(pages: u64, per: u64) -> u64 {
    pages.div_ceil(per)
}

/// Links the direct map, the grant arena and the window.
///
/// # Safety
/// Called once, at boot, with the start info of this domain.
pub(crate) unsafe fn build(info: &StartInfo, footprint: &Footprint) -> Result<Layout, BootError> {
    let boot_tables = (info.pt_base - VIRT_BASE) >> PAGE_SHIFT;
    // The domain builder places one page of boot stack behind its tables.
    let first = boot_tables + info.nr_pt_frames + 1;
    let total = info.nr_pages;
    let level1 = count(total, ENTRIES);
    let level2 = count(level1, ENTRIES);
    let arena = footprint.arena_tables() as u64;
    let window = WINDOW_PAGES as u64 / ENTRIES;
    // The arena and the window have a level-2 table each; all share one level-3 table.
    let end = first + level1 + level2 + (1 + arena) + (1 + window) + 1;
    if end >= total {
        return Err(BootError::TooSmall);
    }
    let mut tables = Tables {
        next: Pfn(first),
        end: Pfn(end),
        // One table each of the levels 4, 3 and 2; the others are level 1.
        boot_mapped: Pfn(info.nr_pt_frames.saturating_sub(3) * ENTRIES),
    };
    let root = mfn(Pfn(boot_tables)).ok_or(BootError::TooSmall)?;
    let level3 = tables.new_table()?;
    link(root, VirtAddr::new(DIRECT_MAP).p4_index(), level3)?;

    for gib in 0..level2 {
        let table2 = tables.new_table()?;
        link(
            level3,
            VirtAddr::new(DIRECT_MAP + (gib << 30)).p3_index(),
            table2,
        )?;
        for slot in 0..ENTRIES.min(level1 - gib * ENTRIES) {
            let table1 = tables.new_table()?;
            link(table2, PageTableIndex::new_truncate(slot as u16), table1)?;
            let from = (gib * ENTRIES + slot) * ENTRIES;
            fill(table1, from, |pfn| {
                let is_table = (boot_tables..boot_tables + info.nr_pt_frames).contains(&pfn)
                    || (first..end).contains(&pfn);
                if is_table { entry::READ } else { entry::WRITE }
            })?;
        }
    }
    for (start, count) in [(ARENA, arena), (WINDOW, window)] {
        let table2 = tables.new_table()?;
        link(level3, VirtAddr::new(start).p3_index(), table2)?;
        for slot in 0..count {
            let table1 = tables.new_table()?;
            link(table2, PageTableIndex::new_truncate(slot as u16), table1)?;
        }
    }
    Ok(Layout {
        first_free: Pfn(end),
    })
}

/// Puts `below` into entry `index` of `table`.
fn link(table: Mfn, index: PageTableIndex, below: Mfn) -> Result<(), Errno> {
    let update = MmuUpdate {
        ptr: (table.bus() + u64::from(index) * 8) | MMU_NORMAL_PT_UPDATE,
        val: below.entry(entry::TABLE),
    };
    // SAFETY: the entry was empty, so no address in use changes its meaning.
    unsafe { hypercall::mmu_update(&[update]) }
}

/// Fills a level-1 table with own pages from `first` on.
fn fill(table: Mfn, first: u64, flags: impl Fn(u64) -> PageTableFlags) -> Result<(), Errno> {
    let mut updates = [MmuUpdate { ptr: 0, val: 0 }; ENTRIES as usize];
    let mut used = 0;
    for (slot, update) in updates.iter_mut().enumerate() {
        let pfn = first + slot as u64;
        let Some(frame) = mfn(Pfn(pfn)) else { break };
        *update = MmuUpdate {
            ptr: (table.bus() + slot as u64 * 8) | MMU_NORMAL_PT_UPDATE,
            val: frame.entry(flags(pfn)),
        };
        used += 1;
    }
    // SAFETY: the addresses of the direct map are used by nobody yet.
    unsafe { hypercall::mmu_update(&updates[..used]) }
}
