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
use crate::memory;
use crate::memory::dma::Region;
use crate::memory::shared::SharedPages;
use crate::memory::window::{self, WindowError};
use crate::types::{DomId, Errno, GrantRef, Mfn, PAGE_SIZE};

/// Entries of a frame of the table.
const ENTRIES: usize = PAGE_SIZE / size_of::<GrantEntryV1>();
/// The most frames that a domain may have where Xen's configuration does not say otherwise.
const FRAMES_MAX: usize = 64;

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
    /// There is no such page.
    #[error("there is no page {0} to be granted")]
    NoPage(usize),
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
    /// A table of so many frames, 1 to 64.
    pub(crate) fn new(frames: usize) -> Result<Self, GrantError> {
        let frames = frames.clamp(1, FRAMES_MAX);
        let mut list = [0u64; FRAMES_MAX];
        let mut setup = SetupTable {
            dom: DOMID_SELF,
            nr_frames: frames as u32,
            status: GNTST_OKAY,
            frame_list: list.as_mut_ptr(),
        };
        // SAFETY: the list has room for that many frames.
        unsafe { hypercall::grant_setup(&mut setup) }.map_err(GrantError::Refused)?;
        if setup.status != GNTST_OKAY {
            return Err(GrantError::Status(GrantStatus(setup.status)));
        }
        let list = list.map(Mfn);
        let pages = window::map_xen_pages(&list[..frames]).map_err(GrantError::Window)?;
        let count = frames * ENTRIES;
        // SAFETY: the pages are mapped side by side for good and hold atomics only.
        let entries = unsafe { core::slice::from_raw_parts(pages.cast().as_ptr(), count) };
        Ok(Self {
            entries,
            free: (GNTTAB_NR_RESERVED_ENTRIES..count as u32).rev().collect(),
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
            return Err(GrantError::NoPage(page));
        }
        let frame = Mfn(region.bus / PAGE_SIZE as u64 + page as u64);
        self.enter(to, frame, read_only)
    }

    /// Lets domain `to` map a shared page.
    pub fn share(
        &mut self,
        to: DomId,
        pages: &SharedPages,
        page: usize,
        read_only: bool,
    ) -> Result<GrantRef, GrantError> {
        let frame = pages.frame(page).ok_or(GrantError::NoPage(page))?;
        self.enter(to, frame, read_only)
    }

    fn enter(&mut self, to: DomId, frame: Mfn, read_only: bool) -> Result<GrantRef, GrantError> {
        let index = self.free.pop().ok_or(GrantError::Full)?;
        write(&self.entries[index as usize], to, frame, read_only);
        Ok(GrantRef(index))
    }

    /// Changes an entry as no frontend of good will does, whoever has the page mapped; false for an entry that there is not,
    /// or a frame of this domain. For tests of backends.
    pub fn tamper(&mut self, reference: GrantRef, how: Tampering<'_>) -> bool {
        let Some(entry) = self.entries.get(reference.0 as usize) else {
            return false;
        };
        if reference.0 < GNTTAB_NR_RESERVED_ENTRIES {
            return false;
        }
        match how {
            Tampering::Revoke => entry.flags.store(0, Ordering::Release),
            Tampering::Frame(frame) => {
                // Only pages that are shared anyway may be granted, and foreign ones, which Xen refuses.
                if memory::is_own(frame) {
                    return false;
                }
                entry.frame.store(frame.0 as u32, Ordering::Release);
            }
            Tampering::Entry {
                to,
                pages,
                page,
                read_only,
            } => {
                let Some(frame) = pages.frame(page) else {
                    return false;
                };
                write(entry, to, frame, read_only);
            }
        }
        true
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

/// How an entry is changed under whoever uses it.
#[derive(Clone, Copy, Debug)]
pub enum Tampering<'a> {
    /// It grants nothing from now on.
    Revoke,
    /// It names a frame of the machine that is not this domain's.
    Frame(Mfn),
    /// It grants this to that domain, whatever it granted before. It also undoes the other two.
    Entry {
        /// Whom.
        to: DomId,
        /// Shared pages.
        pages: &'a SharedPages,
        /// Which of them.
        page: usize,
        /// Only for reading.
        read_only: bool,
    },
}

/// The flags last: from then on the entry is valid.
fn write(entry: &GrantEntryV1, to: DomId, frame: Mfn, read_only: bool) {
    entry.frame.store(frame.0 as u32, Ordering::Relaxed);
    entry.domid.store(to.number(), Ordering::Relaxed);
    let flags = GTF_PERMIT_ACCESS | if read_only { GTF_READONLY } else { 0 };
    entry.flags.store(flags, Ordering::Release);
}
