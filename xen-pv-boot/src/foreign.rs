//! Pages that other domains granted, mapped into an arena of 1 GiB of addresses.
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
use crate::memory::{ARENA, ARENA_PAGES};
use crate::ranges::Ranges;
use crate::types::{DomId, Errno, GrantRef, PAGE_SIZE};

/// Operations of one hypercall.
const BATCH: usize = 64;

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
    free: RefCell<Ranges>,
    /// A record per page of the arena.
    records: Vec<Cell<Record>>,
}

/// What is needed to undo a mapping, and to tell a device where the page is.
#[derive(Clone, Copy, Default)]
struct Record {
    handle: u32,
    /// Machine frame; 0, which is never a guest's, where nothing is mapped.
    frame: u32,
}

impl Arena {
    pub(crate) fn new() -> Self {
        Self {
            shared: Rc::new(Shared {
                free: RefCell::new(Ranges::new(ARENA_PAGES)),
                records: vec![Cell::default(); ARENA_PAGES],
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
        references: impl ExactSizeIterator<Item = GrantRef>,
    ) -> Result<(), MapError> {
        if references.len() > self.capacity - self.mapped {
            return Err(MapError::TooMany);
        }
        let before = self.mapped;
        let mut references = references.peekable();
        while references.peek().is_some() {
            let batch: Vec<GrantRef> = references.by_ref().take(BATCH).collect();
            if let Err(error) = self.map_batch(&batch) {
                self.unmap_to(before);
                return Err(error);
            }
        }
        Ok(())
    }

    fn map_batch(&mut self, references: &[GrantRef]) -> Result<(), MapError> {
        let flags = GNTMAP_HOST_MAP
            | GNTMAP_DEVICE_MAP
            | match self.access {
                Access::Read => GNTMAP_READONLY,
                Access::ReadWrite => 0,
            };
        let start = self.mapped;
        let mut operations: Vec<MapGrantRef> = references
            .iter()
            .enumerate()
            .map(|(index, reference)| MapGrantRef {
                host_addr: self.address(start + index),
                flags,
                gref: reference.0,
                dom: self.domain.number(),
                status: i16::MIN,
                handle: u32::MAX,
                dev_bus_addr: 0,
            })
            .collect();
        // SAFETY: the addresses lie in this mapping's own, unused part of the arena.
        unsafe { hypercall::grant_map(&mut operations) }.map_err(MapError::Refused)?;
        let failed = operations
            .iter()
            .position(|operation| operation.status != GNTST_OKAY);
        let Some(failed) = failed else {
            for (index, operation) in operations.iter().enumerate() {
                self.record(start + index).set(Record {
                    handle: operation.handle,
                    frame: (operation.dev_bus_addr / PAGE_SIZE as u64) as u32,
                });
            }
            self.mapped += references.len();
            return Ok(());
        };
        // Entries behind the failed one may have been mapped all the same.
        let mut undo: Vec<UnmapGrantRef> = operations
            .iter()
            .filter(|operation| operation.status == GNTST_OKAY)
            .map(|operation| UnmapGrantRef {
                host_addr: operation.host_addr,
                dev_bus_addr: operation.dev_bus_addr,
                handle: operation.handle,
                status: i16::MIN,
                pad: 0,
            })
            .collect();
        self.undo(&mut undo);
        Err(MapError::Page(
            start + failed,
            references[failed],
            GrantStatus(operations[failed].status),
        ))
    }

    /// Unmaps pages at the end until `pages` are left.
    fn unmap_to(&mut self, pages: usize) {
        while self.mapped > pages {
            let start = pages.max(self.mapped.saturating_sub(BATCH));
            let mut undo: Vec<UnmapGrantRef> = (start..self.mapped)
                .map(|page| {
                    let record = self.record(page).take();
                    UnmapGrantRef {
                        host_addr: self.address(page),
                        dev_bus_addr: u64::from(record.frame) * PAGE_SIZE as u64,
                        handle: record.handle,
                        status: i16::MIN,
                        pad: 0,
                    }
                })
                .collect();
            self.mapped = start;
            self.undo(&mut undo);
        }
    }

    fn undo(&mut self, operations: &mut [UnmapGrantRef]) {
        if operations.is_empty() {
            return;
        }
        // SAFETY: they undo mappings of this value, whose user is done with them.
        if let Err(error) = unsafe { hypercall::grant_unmap(operations) } {
            log::error!("Xen refused to unmap pages of {}: {error}", self.domain);
            self.lost = true;
            return;
        }
        for operation in operations {
            if operation.status != GNTST_OKAY {
                log::error!(
                    "a page of {} could not be unmapped: {}",
                    self.domain,
                    GrantStatus(operation.status)
                );
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
