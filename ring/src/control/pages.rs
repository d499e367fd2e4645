//! Counters, bits and lists between kernel and backend: no rings.

use super::STAGING_REFS;
use crate::layout::PAGE_SIZE;
use crate::memory::{VolatileSlice, VolatileSliceError};
use crate::sync::{Ordering, fence};
use crate::uapi::RAW_FRAME_MAX;

/// D2: how often a kernel armed an endpoint for sleep. Only the module writes it.
#[derive(Clone, Copy, Debug)]
pub struct ArmedCounters {
    page: VolatileSlice,
}

impl ArmedCounters {
    /// Takes the page.
    pub fn new(page: VolatileSlice) -> Result<Self, VolatileSliceError> {
        Ok(Self {
            page: page.line_part(0, PAGE_SIZE)?,
        })
    }

    /// The module: one more sleeper; several threads may arm at the same time. Fences, so that a following look at the
    /// producer indices sees what the backend published before it looked here.
    pub fn arm(&self, endpoint: u8) {
        self.page
            .word(usize::from(endpoint) * 16)
            .fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The backend: the counter. The caller has fenced after it published.
    pub fn get(&self, endpoint: u8) -> u32 {
        self.page
            .word(usize::from(endpoint) * 16)
            .load(Ordering::Relaxed)
    }
}

/// D3: a bit per endpoint in each direction.
#[derive(Clone, Copy, Debug)]
pub struct Doorbells {
    page: VolatileSlice,
}

const WAKE: usize = 64;

impl Doorbells {
    /// Takes the page.
    pub fn new(page: VolatileSlice) -> Result<Self, VolatileSliceError> {
        Ok(Self {
            page: page.line_part(0, PAGE_SIZE)?,
        })
    }

    /// The module: endpoint has commands. An event must follow.
    pub fn ring(&self, endpoint: u8) {
        self.set(0, endpoint);
    }

    /// The backend: takes 64 doorbell bits (`group` 0 to 3) and clears them.
    pub fn take_rung(&self, group: usize) -> u64 {
        self.take(0, group)
    }

    /// The backend: endpoint has events for a sleeper. An event must follow.
    pub fn wake(&self, endpoint: u8) {
        self.set(WAKE, endpoint);
    }

    /// The module: takes 64 wake bits and clears them.
    pub fn take_woken(&self, group: usize) -> u64 {
        self.take(WAKE, group)
    }

    fn set(&self, base: usize, endpoint: u8) {
        let word = self.page.word64(base + usize::from(endpoint) / 64 * 8);
        word.fetch_or(1 << (endpoint % 64), Ordering::SeqCst);
    }

    fn take(&self, base: usize, group: usize) -> u64 {
        self.page
            .word64(base + group % 4 * 8)
            .swap(0, Ordering::SeqCst)
    }
}

/// D13 to D16, mapped in one piece: lists of grant references, or a RAW frame.
#[derive(Clone, Copy, Debug)]
pub struct Staging {
    slice: VolatileSlice,
}

impl Staging {
    /// Takes the pages.
    pub fn new(slice: VolatileSlice) -> Result<Self, VolatileSliceError> {
        Ok(Self {
            slice: slice.line_part(0, STAGING_REFS * 4)?,
        })
    }

    /// Writes a reference; false beyond the end.
    pub fn set(&self, entry: usize, reference: u32) -> bool {
        entry < STAGING_REFS && {
            self.slice
                .word(entry * 4)
                .store(reference, Ordering::Relaxed);
            true
        }
    }

    /// Writes a RAW frame over the references; false when it is too long for one.
    pub fn put_frame(&self, frame: &[u8]) -> bool {
        frame.len() <= RAW_FRAME_MAX && self.slice.write(0, frame).is_ok()
    }

    /// Copies a RAW frame; `None` for a length that none has.
    pub fn frame(&self, length: u16, frame: &mut [u8; RAW_FRAME_MAX]) -> Option<usize> {
        let length = usize::from(length);
        self.slice.read(0, frame.get_mut(..length)?).ok()?;
        Some(length)
    }

    /// Reads a reference; `None` beyond the end.
    pub fn get(&self, entry: usize) -> Option<u32> {
        (entry < STAGING_REFS).then(|| self.slice.word(entry * 4).load(Ordering::Relaxed))
    }
}
