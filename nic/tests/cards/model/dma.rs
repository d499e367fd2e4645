//! Memory that was granted to the card, and the card's way to it.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

use mx_nic::Fragment;
use mx_nic::dma::{DmaMemory, PAGE_SIZE};

use crate::model::refuse;

/// Bus addresses are not the processor's: one that was taken for the other is found out.
const BUS_OFFSET: u64 = 1 << 52;

thread_local! {
    /// Length of each grant by its bus address.
    static GRANTS: RefCell<BTreeMap<u64, usize>> = const { RefCell::new(BTreeMap::new()) };
}

/// Takes zeroed pages and grants them.
pub fn allocate(pages: usize) -> Option<DmaMemory> {
    let bytes = pages * PAGE_SIZE;
    let layout = Layout::from_size_align(bytes, PAGE_SIZE).ok()?;
    // SAFETY: nobody asks for no pages.
    let base = NonNull::new(unsafe { alloc_zeroed(layout) })?;
    let bus = base.as_ptr().expose_provenance() as u64 + BUS_OFFSET;
    GRANTS.with_borrow_mut(|grants| grants.insert(bus, bytes));
    // SAFETY: fresh, zeroed, aligned, ours alone; `release` frees it with its layout.
    Some(unsafe { DmaMemory::new(base, bus, pages, release) })
}

/// Revokes and frees pages.
///
/// # Safety
/// They came from [`allocate`], and nobody uses them any more.
unsafe fn release(base: NonNull<u8>, pages: usize) {
    let bus = base.as_ptr().addr() as u64 + BUS_OFFSET;
    GRANTS.with_borrow_mut(|grants| grants.remove(&bus));
    let layout = Layout::from_size_align(pages * PAGE_SIZE, PAGE_SIZE).expect("as allocated");
    // SAFETY: the caller's promise; the same layout as at allocation.
    unsafe { dealloc(base.as_ptr(), layout) }
}

/// A filled buffer that is granted for as long as the value lives.
pub struct Granted {
    memory: DmaMemory,
    len: u32,
}

impl Granted {
    pub fn new(bytes: &[u8]) -> Self {
        let mut memory = allocate(bytes.len().div_ceil(PAGE_SIZE).max(1)).expect("memory");
        memory.write(0, bytes);
        Self {
            memory,
            len: bytes.len() as u32,
        }
    }

    pub fn fragment(&self) -> Fragment {
        Fragment {
            bus: self.memory.bus(0),
            len: self.len,
        }
    }
}

fn check(bus: u64, len: usize) {
    let is_granted = GRANTS.with_borrow(|grants| {
        let before = grants.range(..=bus).next_back();
        before.is_some_and(|(start, bytes)| bus + len as u64 <= start + *bytes as u64)
    });
    if !is_granted {
        refuse!("{len} bytes at bus address {bus:#x} were not granted to the card");
    }
}

/// What the card reads.
pub fn read(bus: u64, len: usize) -> Vec<u8> {
    check(bus, len);
    let place = std::ptr::with_exposed_provenance::<u8>((bus - BUS_OFFSET) as usize);
    // SAFETY: granted memory, which the driver or a test keeps, as just checked; descriptors are read by `word`.
    unsafe { std::slice::from_raw_parts(place, len) }.to_vec()
}

/// What the card writes.
pub fn write(bus: u64, bytes: &[u8]) {
    check(bus, bytes.len());
    let place = std::ptr::with_exposed_provenance_mut::<u8>((bus - BUS_OFFSET) as usize);
    // SAFETY: as for `read`; the buffer is the card's.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) }
}

/// A word of a descriptor.
pub fn word(bus: u64) -> u64 {
    word64(bus).load(Ordering::Acquire)
}

/// Writes a word of a descriptor.
pub fn write_word(bus: u64, value: u64) {
    word64(bus).store(value, Ordering::Release);
}

fn word64(bus: u64) -> &'static AtomicU64 {
    // SAFETY: granted memory, aligned, as `place` checks; the reference is used at once and kept by nobody.
    unsafe { AtomicU64::from_ptr(place(bus)) }
}

/// A 32-bit word of a ring.
pub fn word32(bus: u64) -> &'static AtomicU32 {
    // SAFETY: as for `word64`.
    unsafe { AtomicU32::from_ptr(place(bus)) }
}

/// A 16-bit word of a ring.
pub fn word16(bus: u64) -> &'static AtomicU16 {
    // SAFETY: as for `word64`.
    unsafe { AtomicU16::from_ptr(place(bus)) }
}

/// Where the processor has an aligned word of granted memory.
fn place<T>(bus: u64) -> *mut T {
    check(bus, size_of::<T>());
    if !bus.is_multiple_of(size_of::<T>() as u64) {
        refuse!("a word at {bus:#x} is not aligned");
    }
    std::ptr::with_exposed_provenance_mut((bus - BUS_OFFSET) as usize)
}

/// Grants that there are.
pub fn grants() -> usize {
    GRANTS.with_borrow(BTreeMap::len)
}
