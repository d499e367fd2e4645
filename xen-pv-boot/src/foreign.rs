//! Pages that other domains granted, mapped into an arena of addresses, up to 1 GiB.
//!
//! Nothing of Rust's ever lies in the arena, and only [`VolatileSlice`] touches it, by atomics and racing copies. So a `VolatileSlice`
//! that outlives its mapping is a fault of the program (it crashes, or meets another foreign page), never one of
//! memory safety.
//!
//! Rules that Xen does not enforce, and that cost a domain dearly (measured): a mapped entry is only ever touched by
//! the unmap operation, since an overwritten one can never be unmapped again; so this module keeps a record of its
//! own per page, and an address whose unmapping failed is never used again. The arena's addresses never held own
//! pages, so none of them can be stale in the TLB. A page stays mapped, and safe to use, when its owner revokes the
//! grant or dies.

use core::cell::{Cell, RefCell};
use core::fmt;
use core::ptr::NonNull;

use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;

use mx_ring::VolatileSlice;
use xen_sys::grant_table::{
    GNTMAP_DEVICE_MAP, GNTMAP_HOST_MAP, GNTMAP_READONLY, GNTST_OKAY, MapGrantRef, UnmapGrantRef,
};

use crate::hypercall;
use crate::memory::ARENA;
use crate::ranges::Ranges;
use crate::types::{DomId, Errno, GrantRef, PAGE_SIZE};

/// Operations of one hypercall.
const BATCH: usize = 64;
/// Status of an operation that Xen did not come to.
const NOT_DONE: i16 = i16::MIN;
const NO_UNMAP: UnmapGrantRef = UnmapGrantRef {
    host_addr: 0,
    dev_bus_addr: 0,
    handle: 0,
    status: NOT_DONE,
    pad: 0,
};

/// Result of a grant operation (`GNTST_*` of `grant_table.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantStatus(pub i16);

impl fmt::Display for GrantStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "okay",
            -1 => "general error (not granted to this domain, or not in this way)",
            -2 => "no such domain",
            -3 => "no such grant reference",
            -4 => "bad handle",
            -5 => "bad address",
            -7 => "out of space in the IOMMU",
            -8 => "permission denied",
            -9 => "the owner gave the page back, or is dying",
            -12 => "try again",
            -13 => "out of space for handles",
            other => return write!(f, "grant status {other}"),
        })
    }
}

/// Why pages could not be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// No run of addresses of that length is free in the arena.
    #[error("the arena for foreign pages is full")]
    NoAddresses,
    /// More references than addresses were reserved for.
    #[error("more pages than were asked for at first")]
    TooMany,
    /// Xen refused the whole call.
    #[error("Xen refused the grant operation: {0}")]
    Refused(Errno),
    /// Xen refused the page of that number (counted from the start of the mapping).
    #[error("page {0}, grant reference {reference}: {2}", reference = .1.0)]
    Page(usize, GrantRef, GrantStatus),
}

/// How foreign pages may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only read, by the processor and by devices.
    Read,
    /// Read and written.
    ReadWrite,
}

/// The addresses for foreign pages. Clones name the same arena.
#[derive(Clone)]
pub struct Arena {
    shared: Rc<Shared>,
}

struct Shared {
    calls: Calls,
    free: RefCell<Ranges>,
    /// A record per page of the arena.
    records: Vec<Cell<Record>>,
}

/// The two calls of Xen that are made here; tests have others in their place. Both carry an operation out, or say in its
/// status why not, one after the other; where Xen refuses the call as a whole, operations before that may be done.
#[derive(Clone, Copy)]
struct Calls {
    /// Safe with addresses in the arena that nobody uses.
    map: unsafe fn(&mut [MapGrantRef]) -> Result<(), Errno>,
    /// Safe when nobody uses the mappings any more.
    unmap: unsafe fn(&mut [UnmapGrantRef]) -> Result<(), Errno>,
}

/// What is needed to undo a mapping, and to tell a device where the page is.
#[derive(Clone, Copy, Default)]
struct Record {
    handle: u32,
    /// Machine frame; 0, which is never a guest's, where nothing is mapped.
    frame: u32,
}

impl Arena {
    /// An arena of so many pages, whose page tables are there.
    pub(crate) fn new(pages: usize) -> Self {
        Self {
            shared: Rc::new(Shared {
                calls: Calls {
                    map: hypercall::grant_map,
                    unmap: hypercall::grant_unmap,
                },
                free: RefCell::new(Ranges::new(pages)),
                records: vec![Cell::default(); pages],
            }),
        }
    }

    /// Addresses for `pages` pages, nothing mapped there yet. Large mappings are filled bit by bit with
    /// [`ForeignPages::map`], so that nobody waits for them.
    pub fn reserve(
        &self,
        domain: DomId,
        pages: usize,
        access: Access,
    ) -> Result<ForeignPages, MapError> {
        let first = self
            .shared
            .free
            .borrow_mut()
            .take(pages)
            .ok_or(MapError::NoAddresses)?;
        Ok(ForeignPages {
            arena: self.clone(),
            domain,
            access,
            first,
            capacity: pages,
            mapped: 0,
            lost: false,
        })
    }

    /// The address by which a device finds the mapped byte at `address`, as the map operation told it; `None` for an
    /// address where nothing is mapped.
    pub fn bus(&self, address: usize) -> Option<u64> {
        let offset = (address as u64).checked_sub(ARENA)?;
        let record = self.shared.records.get(offset as usize / PAGE_SIZE)?.get();
        if record.frame == 0 {
            return None;
        }
        Some(u64::from(record.frame) * PAGE_SIZE as u64 + offset % PAGE_SIZE as u64)
    }

    /// Maps all of `references` at once, side by side.
    pub fn map(
        &self,
        domain: DomId,
        references: impl ExactSizeIterator<Item = GrantRef>,
        access: Access,
    ) -> Result<ForeignPages, MapError> {
        let mut pages = self.reserve(domain, references.len(), access)?;
        pages.map(references)?;
        Ok(pages)
    }

    /// Pages of addresses that are free.
    pub fn free_pages(&self) -> usize {
        self.shared.free.borrow().free()
    }
}

/// Pages of one domain, mapped side by side. Dropping it unmaps them: whoever has an address of them must be done
/// with it, and so must the NIC.
pub struct ForeignPages {
    arena: Arena,
    domain: DomId,
    access: Access,
    first: usize,
    capacity: usize,
    mapped: usize,
    /// An unmap failed: the addresses must not be used again.
    lost: bool,
}

impl ForeignPages {
    /// Maps more pages behind those that are mapped already. On an error those stay, and nothing else does.
    pub fn map(
        &mut self,
        mut references: impl ExactSizeIterator<Item = GrantRef>,
    ) -> Result<(), MapError> {
        if references.len() > self.capacity - self.mapped {
            return Err(MapError::TooMany);
        }
        let before = self.mapped;
        loop {
            // In place: a guest's pages are mapped without memory of this domain.
            let mut batch = [GrantRef(0); BATCH];
            let mut count = 0;
            for (place, reference) in batch.iter_mut().zip(references.by_ref()) {
                *place = reference;
                count += 1;
            }
            if count == 0 {
                return Ok(());
            }
            if let Err(error) = self.map_batch(&batch[..count]) {
                self.unmap_to(before);
                return Err(error);
            }
        }
    }

    fn map_batch(&mut self, references: &[GrantRef]) -> Result<(), MapError> {
        let flags = GNTMAP_HOST_MAP
            | GNTMAP_DEVICE_MAP
            | match self.access {
                Access::Read => GNTMAP_READONLY,
                Access::ReadWrite => 0,
            };
        let start = self.mapped;
        let mut operations: [MapGrantRef; BATCH] = core::array::from_fn(|index| MapGrantRef {
            host_addr: self.address(start + index),
            flags,
            gref: references.get(index).map_or(0, |reference| reference.0),
            dom: self.domain.number(),
            status: NOT_DONE,
            handle: u32::MAX,
            dev_bus_addr: 0,
        });
        let operations = &mut operations[..references.len()];
        // SAFETY: the addresses lie in this mapping's own, unused part of the arena.
        let called = unsafe { (self.arena.shared.calls.map)(operations) };
        let failed = operations
            .iter()
            .position(|operation| operation.status != GNTST_OKAY);
        let error = match (called, failed) {
            (Err(errno), _) => MapError::Refused(errno),
            (Ok(()), Some(failed)) => MapError::Page(
                start + failed,
                references[failed],
                GrantStatus(operations[failed].status),
            ),
            (Ok(()), None) => {
                for (index, operation) in operations.iter().enumerate() {
                    self.record(start + index).set(Record {
                        handle: operation.handle,
                        frame: (operation.dev_bus_addr / PAGE_SIZE as u64) as u32,
                    });
                }
                self.mapped += references.len();
                return Ok(());
            }
        };
        // Entries behind a failed one may have been mapped all the same, as those before the end of a refused call.
        let done = operations
            .iter()
            .filter(|operation| operation.status == GNTST_OKAY);
        self.undo(done.map(|operation| UnmapGrantRef {
            host_addr: operation.host_addr,
            dev_bus_addr: operation.dev_bus_addr,
            handle: operation.handle,
            status: NOT_DONE,
            pad: 0,
        }));
        Err(error)
    }

    /// Unmaps pages at the end until `pages` are left.
    fn unmap_to(&mut self, pages: usize) {
        while self.mapped > pages {
            let start = pages.max(self.mapped.saturating_sub(BATCH));
            let end = core::mem::replace(&mut self.mapped, start);
            let operations: [UnmapGrantRef; BATCH] = core::array::from_fn(|index| {
                let page = start + index;
                let record = match page < end {
                    true => self.record(page).take(),
                    false => Record::default(),
                };
                UnmapGrantRef {
                    host_addr: self.address(page),
                    dev_bus_addr: u64::from(record.frame) * PAGE_SIZE as u64,
                    handle: record.handle,
                    status: NOT_DONE,
                    pad: 0,
                }
            });
            self.undo(operations.into_iter().take(end - start));
        }
    }

    /// Undoes mappings, at most [`BATCH`].
    fn undo(&mut self, wanted: impl Iterator<Item = UnmapGrantRef>) {
        let mut operations = [NO_UNMAP; BATCH];
        let mut count = 0;
        for (place, operation) in operations.iter_mut().zip(wanted) {
            *place = operation;
            count += 1;
        }
        let operations = &mut operations[..count];
        if operations.is_empty() {
            return;
        }
        // SAFETY: they undo mappings of this value, whose user is done with them.
        if let Err(error) = unsafe { (self.arena.shared.calls.unmap)(operations) } {
            log::error!("Xen refused to unmap pages of {}: {error}", self.domain);
        }
        for operation in operations {
            if operation.status != GNTST_OKAY {
                if operation.status != NOT_DONE {
                    log::error!(
                        "a page of {} could not be unmapped: {}",
                        self.domain,
                        GrantStatus(operation.status)
                    );
                }
                self.lost = true;
            }
        }
    }

    /// Unmaps up to `pages` pages; true when none is left. For large mappings, so that nobody waits for them.
    pub fn unmap_some(&mut self, pages: usize) -> bool {
        self.unmap_to(self.mapped.saturating_sub(pages));
        self.mapped == 0
    }

    fn address(&self, page: usize) -> u64 {
        ARENA + ((self.first + page) * PAGE_SIZE) as u64
    }

    fn record(&self, page: usize) -> &Cell<Record> {
        &self.arena.shared.records[self.first + page]
    }

    /// Pages mapped now.
    pub fn pages(&self) -> usize {
        self.mapped
    }

    /// Pages that addresses were reserved for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The mapped pages as shared memory, to be used as long as they are mapped.
    pub fn slice(&self) -> VolatileSlice {
        let base = NonNull::new(self.address(0) as *mut u8).unwrap_or(NonNull::dangling());
        // SAFETY: page-aligned addresses in the arena, where no Rust value ever lies; see the module.
        unsafe { VolatileSlice::new(base, self.mapped * PAGE_SIZE) }
    }

    /// Whose pages they are.
    pub fn domain(&self) -> DomId {
        self.domain
    }
}

impl Drop for ForeignPages {
    fn drop(&mut self) {
        self.unmap_to(0);
        // Another mapping where an unmapping failed would lose this one for ever.
        if !self.lost {
            self.arena
                .shared
                .free
                .borrow_mut()
                .give(self.first, self.capacity);
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::collections::BTreeMap;

    /// What Xen has mapped, by handle, and how it behaves.
    #[derive(Default)]
    struct Xen {
        mapped: BTreeMap<u32, u64>,
        next: u32,
        /// Operations that are still carried out before a call is refused as a whole.
        until_refusal: Option<usize>,
        /// The same of calls that unmap.
        until_unmap_refusal: Option<usize>,
        /// A reference that cannot be mapped.
        bad: Option<u32>,
    }

    std::thread_local! {
        static XEN: RefCell<Xen> = RefCell::default();
    }

    fn xen<R>(with: impl FnOnce(&mut Xen) -> R) -> R {
        XEN.with_borrow_mut(with)
    }

    const EFAULT: Errno = Errno(14);

    /// Xen comes to the next operation, or stops.
    fn come_to(until_refusal: &mut Option<usize>) -> Result<(), Errno> {
        match until_refusal {
            Some(0) => Err(EFAULT),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn map(operations: &mut [MapGrantRef]) -> Result<(), Errno> {
        xen(|xen| {
            for operation in operations {
                come_to(&mut xen.until_refusal)?;
                if Some(operation.gref) == xen.bad {
                    operation.status = -1;
                    continue;
                }
                xen.next += 1;
                let addresses: Vec<u64> = xen.mapped.values().copied().collect();
                assert!(!addresses.contains(&operation.host_addr), "in use");
                xen.mapped.insert(xen.next, operation.host_addr);
                operation.handle = xen.next;
                operation.dev_bus_addr = u64::from(operation.gref) * PAGE_SIZE as u64;
                operation.status = GNTST_OKAY;
            }
            Ok(())
        })
    }

    fn unmap(operations: &mut [UnmapGrantRef]) -> Result<(), Errno> {
        xen(|xen| {
            for operation in operations {
                come_to(&mut xen.until_unmap_refusal)?;
                let address = xen.mapped.remove(&operation.handle);
                assert_eq!(address, Some(operation.host_addr), "of this handle");
                operation.status = GNTST_OKAY;
            }
            Ok(())
        })
    }

    fn arena() -> Arena {
        xen(|xen| *xen = Xen::default());
        Arena {
            shared: Rc::new(Shared {
                calls: Calls { map, unmap },
                free: RefCell::new(Ranges::new(256)),
                records: vec![Cell::default(); 256],
            }),
        }
    }

    fn guest() -> DomId {
        DomId::new(3).unwrap()
    }

    fn reference(number: u32) -> GrantRef {
        GrantRef(number + 8)
    }

    fn references(count: u32) -> impl ExactSizeIterator<Item = GrantRef> {
        (0..count).map(reference)
    }

    /// Pages that Xen has mapped.
    fn mapped() -> usize {
        xen(|xen| xen.mapped.len())
    }

    #[test]
    fn a_call_that_xen_refuses_as_a_whole_leaves_nothing_behind_wherever_it_stopped() {
        for done in [0, 1, 63, 64, 65, 99, 127] {
            let arena = arena();
            let mut pages = arena.reserve(guest(), 200, Access::Read).unwrap();
            pages.map(references(50)).unwrap();
            xen(|xen| xen.until_refusal = Some(done));
            let refused = pages.map(references(150));
            assert_eq!(refused, Err(MapError::Refused(EFAULT)), "after {done}");
            assert_eq!((mapped(), pages.pages()), (50, 50), "after {done}");
            xen(|xen| xen.until_refusal = None);
            pages.map(references(150)).unwrap();
            let first = pages.address(0) as usize;
            let bus = arena.bus(first + 49 * PAGE_SIZE + 5).unwrap();
            assert_eq!(bus, (57 * PAGE_SIZE + 5) as u64);
            assert_eq!(arena.bus(first + 200 * PAGE_SIZE), None);
            drop(pages);
            assert_eq!((mapped(), arena.free_pages()), (0, 256));
            assert_eq!(arena.bus(first), None);
        }
    }

    #[test]
    fn a_page_that_xen_does_not_map_leaves_none_of_its_call_mapped() {
        let arena = arena();
        xen(|xen| xen.bad = Some(reference(70).0));
        let refused = arena.map(guest(), references(100), Access::ReadWrite);
        let why = MapError::Page(70, reference(70), GrantStatus(-1));
        assert_eq!(refused.map(drop), Err(why));
        assert_eq!((mapped(), arena.free_pages()), (0, 256));
    }

    #[test]
    fn addresses_that_could_not_be_unmapped_are_not_used_again() {
        let arena = arena();
        let pages = arena.map(guest(), references(100), Access::Read).unwrap();
        xen(|xen| xen.until_unmap_refusal = Some(90));
        drop(pages);
        assert_eq!((mapped(), arena.free_pages()), (10, 156));
        xen(|xen| xen.until_unmap_refusal = None);
        // Whoever maps there now would meet what is left: the model of Xen says so.
        let others = arena.map(guest(), references(156), Access::Read).unwrap();
        drop(others);
        assert_eq!((mapped(), arena.free_pages()), (10, 156));
    }
}
