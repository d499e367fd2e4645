//! The window: addresses for device registers and for pages that belong to Xen. Handed out once and never back,
//! since devices and Xen's pages stay for the domain's life.

use core::ptr::NonNull;

use spin::Mutex;
use x86_64::structures::paging::PageTableFlags;

use super::{WINDOW, WINDOW_PAGES, entry, pages_of};
use crate::hypercall;
use crate::types::{Errno, Mfn, PAGE_SIZE};

/// Why something could not be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// The 16 MiB are used up.
    #[error("the 16 MiB of addresses for devices are used up")]
    Full,
    /// Xen refused: the frames are not the domain's (EPERM), for instance.
    #[error("Xen refused to map the page: {0}")]
    Refused(Errno),
}

static NEXT: Mutex<usize> = Mutex::new(0);

fn reserve(pages: usize) -> Result<u64, WindowError> {
    let mut next = NEXT.lock();
    let first = *next;
    let end = first
        .checked_add(pages)
        .filter(|&end| end <= WINDOW_PAGES)
        .ok_or(WindowError::Full)?;
    *next = end;
    Ok(WINDOW + (first * PAGE_SIZE) as u64)
}

fn map(
    frames: impl ExactSizeIterator<Item = Mfn>,
    flags: PageTableFlags,
) -> Result<NonNull<u8>, WindowError> {
    let start = reserve(frames.len())?;
    for (index, frame) in frames.enumerate() {
        let address = start + (index * PAGE_SIZE) as u64;
        // SAFETY: the address is fresh, so nothing in use changes its meaning.
        unsafe { hypercall::update_va_mapping(address, frame.entry(flags)) }
            .map_err(WindowError::Refused)?;
    }
    NonNull::new(start as *mut u8).ok_or(WindowError::Full)
}

/// Maps the registers of a device: `bytes` bytes at bus address `bus`, uncached.
pub(crate) fn map_registers(bus: u64, bytes: usize) -> Result<NonNull<u8>, WindowError> {
    let within = (bus as usize) % PAGE_SIZE;
    let first = bus / PAGE_SIZE as u64;
    let pages = pages_of(within.checked_add(bytes).ok_or(WindowError::Full)?);
    let base = map(
        (0..pages).map(|page| Mfn(first + page as u64)),
        entry::DEVICE,
    )?;
    // SAFETY: `within` is less than a page of the mapping.
    Ok(unsafe { base.add(within) })
}

/// Maps pages that Xen shares with the domain (shared info, grant table), side by side.
pub(crate) fn map_xen_pages(frames: &[Mfn]) -> Result<NonNull<u8>, WindowError> {
    map(frames.iter().copied(), entry::WRITE)
}
