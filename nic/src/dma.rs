//! Memory that a card reads and writes while the driver does.
//!
//! A card may write any byte of it at any time, also a byte that the protocol gives to the driver. So words are
//! atomics, and what was read is copied before it is checked. The one exception is a received frame, see
//! [`DmaMemory::handed_over`].

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64};

pub use virtio_drivers::PAGE_SIZE;

/// Memory that is contiguous for a card. Every access is checked.
#[derive(Debug)]
pub struct DmaMemory {
    base: NonNull<u8>,
    bus: u64,
    len: usize,
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
    /// contiguous, at bus address `bus`. `release` takes base and pages back; it is called once, when the value is
    /// dropped.
    pub const unsafe fn new(
        base: NonNull<u8>,
        bus: u64,
        pages: usize,
        release: unsafe fn(NonNull<u8>, usize),
    ) -> Self {
        Self {
            base,
            bus,
            len: pages * PAGE_SIZE,
            release,
        }
    }

    /// Length in bytes.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no bytes.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bus address of the byte at `offset`.
    pub const fn bus(&self, offset: usize) -> u64 {
        self.bus + offset as u64
    }

    /// Address of `len` bytes at `offset`.
    ///
    /// # Panics
    /// Outside of the memory: offsets are the driver's own arithmetic, never a card's word.
    fn at(&self, offset: usize, len: usize) -> NonNull<u8> {
        let end = offset.checked_add(len);
        if end.is_none_or(|end| end > self.len) {
            outside(offset, len, self.len);
        }
        // SAFETY: within the memory, as just checked.
        unsafe { self.base.add(offset) }
    }

    /// The 16-bit word at `offset`, which is even.
    pub fn word16(&self, offset: usize) -> &AtomicU16 {
        assert!(offset.is_multiple_of(2), "16-bit words are aligned");
        // SAFETY: bounds and alignment were checked; an atomic tolerates that the card writes.
        unsafe { AtomicU16::from_ptr(self.at(offset, 2).as_ptr().cast()) }
    }

    /// The 32-bit word at `offset`, a multiple of 4.
    pub fn word32(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4), "32-bit words are aligned");
        // SAFETY: as for `word16`.
        unsafe { AtomicU32::from_ptr(self.at(offset, 4).as_ptr().cast()) }
    }

    /// The 64-bit word at `offset`, a multiple of 8.
    pub fn word64(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8), "64-bit words are aligned");
        // SAFETY: as for `word16`.
        unsafe { AtomicU64::from_ptr(self.at(offset, 8).as_ptr().cast()) }
    }

    /// Copies bytes into the memory.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        let place = self.at(offset, bytes.len());
        // SAFETY: bounds were checked; the source is other memory, since this one is borrowed exclusively.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), place.as_ptr(), bytes.len()) }
    }

    /// Bytes that the card has handed over.
    ///
    /// # Safety
    /// The card gave the bytes back by its ring, so that it no longer writes them, and the driver does not give them
    /// to the card again while the slice lives. A card that writes all the same breaks the ring's protocol, as one
    /// that writes to any other memory does: only an IOMMU helps against it.
    pub unsafe fn handed_over(&self, offset: usize, len: usize) -> &[u8] {
        let place = self.at(offset, len);
        // SAFETY: bounds were checked; nobody writes, by the caller's promise.
        unsafe { core::slice::from_raw_parts(place.as_ptr(), len) }
    }

    /// Never gives the memory back: the card may still write to it when the value is gone.
    pub const fn leak(&mut self) {
        self.release = keep;
    }
}

/// By itself, so that an access that is within the memory does not lay these words out.
#[cold]
#[inline(never)]
fn outside(offset: usize, len: usize, of: usize) -> ! {
    panic!("{len} bytes at {offset} lie outside of {of} bytes of DMA memory");
}

/// Gives nothing back.
const unsafe fn keep(_base: NonNull<u8>, _pages: usize) {}

impl Drop for DmaMemory {
    fn drop(&mut self) {
        // SAFETY: base and pages are those of `new`; a driver stops its card, or leaks, before it drops the memory.
        unsafe { (self.release)(self.base, self.len / PAGE_SIZE) }
    }
}
