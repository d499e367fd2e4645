//! Memory that a card reads and writes while the driver does.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64};

/// Bytes of a page.
pub const PAGE_SIZE: usize = 4096;

/// Where memory for a card comes from.
pub trait Dma {
    /// Takes `pages` pages, contiguous for the card, zeroed; `None` when there are none.
    fn allocate(&self, pages: usize) -> Option<DmaMemory>;
}

/// Contiguous memory for a card. Every access is checked; the card may change the bytes at any time.
#[derive(Debug)]
pub struct DmaMemory {
    base: NonNull<u8>,
    bus: u64,
    length: usize,
    release: unsafe fn(NonNull<u8>, usize),
}

// SAFETY: exclusive access to memory that belongs to nobody else; what the card does to it is tolerated by every
// accessor.
unsafe impl Send for DmaMemory {}

impl DmaMemory {
    /// Names memory of `pages` pages.
    ///
    /// # Safety
    /// `base` is the page-aligned start of zeroed, writable memory that nobody else uses and that the card finds,
    /// contiguous, at bus address `bus`. `release` takes base and pages back, and is called once.
    pub const unsafe fn new(
        base: NonNull<u8>,
        bus: u64,
        pages: usize,
        release: unsafe fn(NonNull<u8>, usize),
    ) -> Self {
        Self {
            base,
            bus,
            length: pages * PAGE_SIZE,
            release,
        }
    }

    /// Length in bytes.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether it has no bytes.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bus address of the byte at `offset`.
    pub const fn bus(&self, offset: usize) -> u64 {
        self.bus + offset as u64
    }

    /// Address of `length` bytes at `offset`.
    ///
    /// # Panics
    /// Outside of the memory: offsets are the driver's own arithmetic, never a card's word.
    fn at(&self, offset: usize, length: usize) -> NonNull<u8> {
        assert!(
            offset
                .checked_add(length)
                .is_some_and(|end| end <= self.length),
            "a driver stays within its own memory"
        );
        // SAFETY: within the memory, as just checked.
        unsafe { self.base.add(offset) }
    }

    /// The 16-bit word at `offset`, which is even.
    pub fn word16(&self, offset: usize) -> &AtomicU16 {
        assert!(offset.is_multiple_of(2), "words are aligned");
        // SAFETY: checked bounds and alignment; atomics tolerate the card.
        unsafe { AtomicU16::from_ptr(self.at(offset, 2).as_ptr().cast()) }
    }

    /// The 32-bit word at `offset`, a multiple of 4.
    pub fn word32(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4), "words are aligned");
        // SAFETY: as for `word16`.
        unsafe { AtomicU32::from_ptr(self.at(offset, 4).as_ptr().cast()) }
    }

    /// The 64-bit word at `offset`, a multiple of 8.
    pub fn word64(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8), "words are aligned");
        // SAFETY: as for `word16`.
        unsafe { AtomicU64::from_ptr(self.at(offset, 8).as_ptr().cast()) }
    }

    /// Copies bytes into the memory.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        let place = self.at(offset, bytes.len());
        // SAFETY: checked bounds; the source is private, so the two do not overlap.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), place.as_ptr(), bytes.len()) }
    }

    /// Bytes that the card has handed over: it wrote them and, if it keeps to the protocol, no longer does.
    ///
    /// # Safety
    /// The card does not write these bytes while the slice lives. A card that breaks the protocol can still do so;
    /// what reads the slice must therefore copy a value before it checks it, as it must for any frame.
    pub unsafe fn handed_over(&self, offset: usize, length: usize) -> &[u8] {
        let place = self.at(offset, length);
        // SAFETY: checked bounds; the caller's promise.
        unsafe { core::slice::from_raw_parts(place.as_ptr(), length) }
    }
}

impl Drop for DmaMemory {
    fn drop(&mut self) {
        // SAFETY: base and pages as given to `new`, once; a driver stops its card before it drops the memory.
        unsafe { (self.release)(self.base, self.length / PAGE_SIZE) }
    }
}
