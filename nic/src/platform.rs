//! What a driver needs of the machine below it.

use alloc::alloc::{Layout, alloc_zeroed, dealloc};
use core::ptr::NonNull;

use crate::dma::{DmaMemory, PAGE_SIZE};

/// The machine below a driver.
pub trait Platform {
    /// Takes `pages` pages of memory, contiguous on the bus, zeroed; `None` when there are none.
    fn allocate(&self, pages: usize) -> Option<DmaMemory>;

    /// Maps registers of a card, uncached; `None` when this domain may not or cannot.
    fn registers(&self, bus: u64, bytes: usize) -> Option<Registers>;

    /// Waits for about this long while a card resets or answers.
    fn pause(&self, microseconds: u32);
}

impl<P: Platform> Platform for &P {
    fn allocate(&self, pages: usize) -> Option<DmaMemory> {
        (**self).allocate(pages)
    }

    fn registers(&self, bus: u64, bytes: usize) -> Option<Registers> {
        (**self).registers(bus, bytes)
    }

    fn pause(&self, microseconds: u32) {
        (**self).pause(microseconds);
    }
}

/// Mapped registers of a card.
#[derive(Debug)]
pub struct Registers {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: registers belong to no thread; every access is volatile and by itself.
unsafe impl Send for Registers {}

impl Registers {
    /// Names registers.
    ///
    /// # Safety
    /// `len` bytes from `base` are registers of a card, mapped uncached for as long as the value lives. Accessing them has no effect on memory that Rust knows of, other than by DMA that a
    /// driver programs.
    pub const unsafe fn new(base: NonNull<u8>, len: usize) -> Self {
        Self { base, len }
    }

    /// Length in bytes.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The address of a register of type `T`.
    ///
    /// # Panics
    /// Outside of the registers, or unaligned: drivers check what a card says about its layout when they open it.
    fn at<T>(&self, offset: usize) -> *mut T {
        let end = offset.checked_add(size_of::<T>());
        assert!(
            end.is_some_and(|end| end <= self.len),
            "register {offset:#x} lies outside of the {:#x} bytes of registers",
            self.len
        );
        // SAFETY: within the registers, as just checked.
        let register = unsafe { self.base.add(offset) }.as_ptr().cast::<T>();
        assert!(register.is_aligned(), "register {offset:#x} is unaligned");
        register
    }

    /// Reads 8 bits.
    pub fn read8(&self, offset: usize) -> u8 {
        // SAFETY: a checked register; see `new`.
        unsafe { self.at::<u8>(offset).read_volatile() }
    }

    /// Reads 16 bits.
    pub fn read16(&self, offset: usize) -> u16 {
        // SAFETY: a checked register; see `new`.
        unsafe { self.at::<u16>(offset).read_volatile() }
    }

    /// Reads 32 bits.
    pub fn read32(&self, offset: usize) -> u32 {
        // SAFETY: a checked register; see `new`.
        unsafe { self.at::<u32>(offset).read_volatile() }
    }

    /// Writes 8 bits.
    pub fn write8(&mut self, offset: usize, value: u8) {
        // SAFETY: a checked register; see `new`.
        unsafe { self.at::<u8>(offset).write_volatile(value) }
    }

    /// Writes 16 bits.
    pub fn write16(&mut self, offset: usize, value: u16) {
        // SAFETY: a checked register; see `new`.
        unsafe { self.at::<u16>(offset).write_volatile(value) }
    }

    /// Writes 32 bits.
    pub fn write32(&mut self, offset: usize, value: u32) {
        // SAFETY: a checked register; see `new`.
        unsafe { self.at::<u32>(offset).write_volatile(value) }
    }
}

/// A platform for tests in a process: memory from the heap, whose addresses are its bus addresses, and no registers.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeapPlatform;

impl Platform for HeapPlatform {
    fn allocate(&self, pages: usize) -> Option<DmaMemory> {
        let layout = heap_layout(pages)?;
        // SAFETY: the layout has a size, as `heap_layout` checked.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        let bus = base.as_ptr().expose_provenance() as u64;
        // SAFETY: fresh, zeroed, aligned, ours alone; `release` frees it with the layout it was made with.
        Some(unsafe { DmaMemory::new(base, bus, pages, release) })
    }

    fn registers(&self, _bus: u64, _bytes: usize) -> Option<Registers> {
        None
    }

    fn pause(&self, _microseconds: u32) {
        core::hint::spin_loop();
    }
}

/// Layout of pages on the heap; none for no pages.
fn heap_layout(pages: usize) -> Option<Layout> {
    let bytes = pages.checked_mul(PAGE_SIZE).filter(|&bytes| bytes > 0)?;
    Layout::from_size_align(bytes, PAGE_SIZE).ok()
}

/// Gives pages back to the heap.
///
/// # Safety
/// They came from [`HeapPlatform::allocate`], and nobody uses them any more.
unsafe fn release(base: NonNull<u8>, pages: usize) {
    if let Some(layout) = heap_layout(pages) {
        // SAFETY: the caller's promise; the same layout as at allocation.
        unsafe { dealloc(base.as_ptr(), layout) }
    }
}
