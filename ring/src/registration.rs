//! Whether registered memory is still what its process has mapped there: the one handshake of the registration cache.
//!
//! The library keeps memory registered for the next message. When the process unmaps it, or puts other pages there, the
//! kernel learns of it (MMU notifier) but may not wait for anybody; so it writes down that the region is stale, and
//! whoever sees that both a use and the change happened gives the region back:
//!
//! ```text
//!  library, before a message uses a kept region     kernel, when the process changes its mappings
//!  begin:  is the slot's note valid? no: refuse
//!          use bit of the slot = 1                  invalidate: note of the slot = stale
//!          fence(SeqCst)                                        fence(SeqCst)
//!          is the slot's note valid?                in_use:     use bit of the slot?
//!            yes: use it; end, when it is over        yes: leave the region to the library, which asks after its use
//!            no:  end; give it back, register anew    no:  give it back
//! ```
//!
//! The first look keeps a key that is stale from the bit of its slot, which says that a message uses the region that is
//! there now. Between the two looks no other region comes into the slot: the library registers none while it begins.
//!
//! Both fences are sequentially consistent: of a use and a change at the same time, at least one side sees the other.
//! The change is noted before the call that made it (munmap, mremap, madvise) returns, so what a thread starts after
//! that call never finds the old pages. A transfer that is under way goes on with the pages that it was given, which
//! stay pinned until its end.
//!
//! Notes lie in a page that the kernel alone writes, use bits in the process's own page: a process that lies there keeps
//! pages of its own pinned, or loses a transfer of its own.

use crate::layout::PAGE_SIZE;
use crate::memory::{VolatileSlice, VolatileSliceError};
use crate::message::RegionKey;
use crate::process::w0;
use crate::sync::{Ordering, fence};

/// Regions that an endpoint may have: as many notes fill a page.
pub const REGIONS: usize = PAGE_SIZE / 4;
/// Buffers of last resort that an endpoint may have besides what limits and quotas allow it: one to send from, one to
/// receive into. With them its messages go on, in pieces, while others hold all that may be registered and wait for it.
pub const RESERVES: usize = 2;
/// Length of such a buffer at most, in bytes.
pub const RESERVE_MAX: u32 = 256 << 10;

const VALID: u32 = 1 << 16;

/// The kernel's notes about the regions of an endpoint, a page.
#[derive(Clone, Copy, Debug)]
pub struct RegionNotes {
    page: VolatileSlice,
}

impl RegionNotes {
    /// Takes the page, zeroed when the endpoint was opened.
    pub fn new(page: VolatileSlice) -> Result<Self, VolatileSliceError> {
        Ok(Self {
            page: page.line_part(0, PAGE_SIZE)?,
        })
    }

    fn valid(key: RegionKey) -> u32 {
        VALID | u32::from(key.generation)
    }

    /// The kernel: a region is registered. Fences: whoever then finds no change knows that a later one finds this note.
    pub fn note_valid(&self, key: RegionKey) {
        if usize::from(key.slot) < REGIONS {
            let note = self.page.word(usize::from(key.slot) * 4);
            note.store(Self::valid(key), Ordering::Release);
        }
        fence(Ordering::SeqCst);
    }

    /// The kernel: the process has changed what a region was. Nothing happens when the slot's note is about another use
    /// of the slot. A look at [`UseBits::in_use`] may follow.
    pub fn invalidate(&self, key: RegionKey) {
        if usize::from(key.slot) < REGIONS {
            let note = self.page.word(usize::from(key.slot) * 4);
            let stale = u32::from(key.generation);
            let valid = Self::valid(key);
            // Refused: the note is about another region, or says so already.
            let _ = note.compare_exchange(valid, stale, Ordering::SeqCst, Ordering::Relaxed);
        }
        fence(Ordering::SeqCst);
    }

    /// The library: whether a region is what it was when it was registered.
    pub fn is_valid(&self, key: RegionKey) -> bool {
        usize::from(key.slot) < REGIONS
            && self
                .page
                .word(usize::from(key.slot) * 4)
                .load(Ordering::Acquire)
                == Self::valid(key)
    }
}

/// Which regions a process uses: a bit for each slot, in its first W page.
#[derive(Clone, Copy, Debug)]
pub struct UseBits {
    w0: VolatileSlice,
}

impl UseBits {
    /// Takes the first W page of the endpoint.
    pub fn new(w: VolatileSlice) -> Result<Self, VolatileSliceError> {
        Ok(Self {
            w0: w.line_part(0, PAGE_SIZE)?,
        })
    }

    /// The library: a message is to use a region that none uses. False when the region is stale: then it is not in use.
    /// Whoever registers regions of the endpoint is excluded meanwhile.
    pub fn begin(&self, notes: &RegionNotes, key: RegionKey) -> bool {
        if !notes.is_valid(key) {
            return false;
        }
        let Some((word, bit)) = place(key.slot) else {
            return false;
        };
        self.w0.word64(word).fetch_or(bit, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let valid = notes.is_valid(key);
        if !valid {
            self.end(key);
        }
        valid
    }

    /// The library: no message uses a region any more whose use was begun; until now it has kept its slot.
    pub fn end(&self, key: RegionKey) {
        if let Some((word, bit)) = place(key.slot) {
            self.w0.word64(word).fetch_and(!bit, Ordering::Release);
            fence(Ordering::SeqCst);
        }
    }

    /// The kernel, after [`RegionNotes::invalidate`]: whether the process says that a message uses the region in a slot.
    pub fn in_use(&self, slot: u16) -> bool {
        place(slot)
            .is_some_and(|(word, bit)| self.w0.word64(word).load(Ordering::Acquire) & bit != 0)
    }
}

/// Where the bit of a slot lies: its word, and the bit.
fn place(slot: u16) -> Option<(usize, u64)> {
    let slot = usize::from(slot);
    (slot < REGIONS).then_some((w0::REGIONS_IN_USE + slot / 64 * 8, 1 << (slot % 64)))
}

const _: () = assert!(w0::REGIONS_IN_USE + REGIONS / 8 <= PAGE_SIZE);
