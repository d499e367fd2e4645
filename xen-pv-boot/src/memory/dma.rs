//! Memory that a device reads and writes: machine-contiguous, zeroed, with the address that the device uses.
//!
//! Own pages are mostly contiguous in the machine by themselves, but nothing promises that; where no run is found,
//! pages are exchanged for contiguous ones (`XENMEM_exchange`, up to 512 pages).

use core::ptr::NonNull;

use spin::Mutex;
use xen_sys::memory::{MemoryExchange, MemoryReservation};
use xen_sys::xen::{DOMID_SELF, MMU_MACHPHYS_UPDATE, MmuUpdate};

use super::pool::Pool;
use super::{direct, entry, mfn, set_mfn};
use crate::hypercall;
use crate::types::{Mfn, PAGE_SIZE, Pfn};

/// Pages that an exchange can make contiguous.
const EXCHANGE_MAX: usize = 512;

/// A run of pages for a device.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    /// Address for the processor.
    pub base: NonNull<u8>,
    /// Address for the device.
    pub bus: u64,
    /// Length in pages.
    pub pages: usize,
}

static POOL: Mutex<Option<Pool>> = Mutex::new(None);

pub(crate) fn init(first: Pfn, pages: usize) {
    *POOL.lock() = Some(Pool::new(first, pages));
}

/// Takes `pages` pages that nobody needs side by side in the machine, zeroed; `None` when there are none.
pub(crate) fn take(pages: usize) -> Option<Pfn> {
    let first = POOL.lock().as_mut()?.take(pages, 1, |_, _| true)?;
    // SAFETY: the pages are mapped by the direct map, and nobody else has them.
    unsafe { (direct(first) as *mut u8).write_bytes(0, pages * PAGE_SIZE) };
    Some(first)
}

/// Takes `pages` machine-contiguous pages, zeroed; `None` when there are none.
pub fn allocate(pages: usize) -> Option<Region> {
    let mut pool = POOL.lock();
    let pool = pool.as_mut()?;
    let contiguous = |a, b| matches!((mfn(a), mfn(b)), (Some(a), Some(b)) if b.0 == a.0 + 1);
    let first = match pool.take(pages, 1, contiguous) {
        Some(first) => first,
        None => exchange(pool, pages)?,
    };
    let region = Region {
        base: NonNull::new(direct(first) as *mut u8)?,
        bus: mfn(first)?.bus(),
        pages,
    };
    // SAFETY: the pages are mapped by the direct map, and nobody else has them.
    unsafe { region.base.as_ptr().write_bytes(0, pages * PAGE_SIZE) };
    Some(region)
}

/// Gives a region back.
///
/// # Safety
/// It came from [`allocate`], is given back once, and neither the processor nor a device uses it any more.
pub unsafe fn free(base: NonNull<u8>, pages: usize) {
    let first = Pfn((base.as_ptr() as u64 - super::DIRECT_MAP) / PAGE_SIZE as u64);
    if let Some(pool) = POOL.lock().as_mut() {
        pool.give(first, pages);
    }
}

/// Exchanges some pages of the pool for a contiguous run. Pages beyond `pages`, up to the power of two, go back.
fn exchange(pool: &mut Pool, pages: usize) -> Option<Pfn> {
    let size = pages.checked_next_power_of_two()?;
    if size > EXCHANGE_MAX {
        return None;
    }
    let first = pool.take(size, 1, |_, _| true)?;
    let own = |index: usize| Pfn(first.0 + index as u64);
    let mut old = [0; EXCHANGE_MAX];
    for (index, slot) in old[..size].iter_mut().enumerate() {
        *slot = mfn(own(index))?.0;
        // SAFETY: the page is the pool's and unused; its address is not touched until it is mapped again below.
        unsafe { hypercall::update_va_mapping(direct(own(index)), 0) }.ok()?;
    }
    let mut new = [first.0];
    let mut argument = MemoryExchange {
        input: MemoryReservation {
            extent_start: old.as_mut_ptr(),
            nr_extents: size as u64,
            extent_order: 0,
            mem_flags: 0,
            domid: DOMID_SELF,
        },
        output: MemoryReservation {
            extent_start: new.as_mut_ptr(),
            nr_extents: 1,
            extent_order: size.trailing_zeros(),
            mem_flags: 0,
            domid: DOMID_SELF,
        },
        nr_exchanged: 0,
    };
    // SAFETY: both lists are valid, and the pages are mapped nowhere.
    let exchanged = unsafe { hypercall::memory_exchange(&mut argument) };
    for (index, old) in old[..size].iter().enumerate() {
        let frame = match exchanged {
            Ok(()) => Mfn(new[0] + index as u64),
            Err(_) => Mfn(*old),
        };
        set_mfn(own(index), frame);
        let update = MmuUpdate {
            ptr: frame.bus() | MMU_MACHPHYS_UPDATE,
            val: own(index).0,
        };
        // SAFETY: the frame is the domain's own; the page is unused until it is handed out.
        let mapped = unsafe {
            hypercall::mmu_update(&[update]).and_then(|()| {
                hypercall::update_va_mapping(direct(own(index)), frame.entry(entry::WRITE))
            })
        };
        if let Err(error) = mapped {
            log::error!("a page could not be mapped again after an exchange: {error}");
            return None;
        }
    }
    if let Err(error) = exchanged {
        log::warn!("Xen did not exchange {size} pages for contiguous ones: {error}");
        pool.give(first, size);
        return None;
    }
    pool.give(own(pages), size - pages);
    Some(first)
}
