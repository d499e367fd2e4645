//! The own grant table: pages that others may map.

use core::sync::atomic::Ordering;

use alloc::vec::Vec;

use xen_sys::grant_table::{
    GNTST_OKAY, GNTTAB_NR_RESERVED_ENTRIES, GTF_PERMIT_ACCESS, GTF_READING, GTF_READONLY,
    GTF_WRITING, GrantEntryV1, SetupTable,
};
use xen_sys::xen::DOMID_SELF;

use crate::foreign::GrantStatus;
use crate::hypercall;
use crate::memory::dma::Region;
use crate::memory::window::{self, WindowError};
use crate::types::{DomId, Errno, GrantRef, Mfn, PAGE_SIZE};

/// Entries of the one page that the own table has: a driver domain grants little.
const ENTRIES: u32 = (PAGE_SIZE / size_of::<GrantEntryV1>()) as u32;

/// Why the own grant table could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Xen refused the call.
    #[error("Xen refused: {0}")]
    Refused(Errno),
    /// Xen refused the operation.
    #[error("Xen refused: {0}")]
    Status(GrantStatus),
    /// The table could not be mapped.
    #[error(transparent)]
    Window(WindowError),
    /// No entry is free.
    #[error("all entries of the own grant table are in use")]
    Full,
}

/// The own grant table.
pub struct GrantTable {
    entries: &'static [GrantEntryV1],
    free: Vec<u32>,
}

impl GrantTable {
    pub(crate) fn new() -> Result<Self, GrantError> {
        let mut frame = 0u64;
        let mut setup = SetupTable {
            dom: DOMID_SELF,
            nr_frames: 1,
            status: GNTST_OKAY,
            frame_list: &raw mut frame,
        };
        // SAFETY: the list has room for the one frame.
        unsafe { hypercall::grant_setup(&mut setup) }.map_err(GrantError::Refused)?;
        if setup.status != GNTST_OKAY {
            return Err(GrantError::Status(GrantStatus(setup.status)));
        }
        let page = window::map_xen_pages(&[Mfn(frame)]).map_err(GrantError::Window)?;
        // SAFETY: the page is mapped for good and holds atomics only.
        let entries =
            unsafe { core::slice::from_raw_parts(page.cast().as_ptr(), ENTRIES as usize) };
        Ok(Self {
            entries,
            free: (GNTTAB_NR_RESERVED_ENTRIES..ENTRIES).rev().collect(),
        })
    }

    /// Lets domain `to` map page `page` of a region of own memory.
    pub fn grant(
        &mut self,
        to: DomId,
        region: &Region,
        page: usize,
        read_only: bool,
    ) -> Result<GrantRef, GrantError> {
        if page >= region.pages {
            return Err(GrantError::Full);
        }
        let index = self.free.pop().ok_or(GrantError::Full)?;
        let entry = &self.entries[index as usize];
        let frame = (region.bus / PAGE_SIZE as u64) as u32 + page as u32;
        entry.frame.store(frame, Ordering::Relaxed);
        entry.domid.store(to.number(), Ordering::Relaxed);
        let flags = GTF_PERMIT_ACCESS | if read_only { GTF_READONLY } else { 0 };
        entry.flags.store(flags, Ordering::Release);
        Ok(GrantRef(index))
    }

    /// Ends a grant; false as long as the other domain still has the page mapped.
    pub fn end(&mut self, reference: GrantRef) -> bool {
        let Some(entry) = self.entries.get(reference.0 as usize) else {
            return false;
        };
        let flags = entry.flags.load(Ordering::Acquire);
        if flags & (GTF_READING | GTF_WRITING) != 0
            || entry
                .flags
                .compare_exchange(flags, 0, Ordering::AcqRel, Ordering::Relaxed)
                .is_err()
        {
            return false;
        }
        self.free.push(reference.0);
        true
    }
}
