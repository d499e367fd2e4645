//! Mapping an endpoint's queues and a board's description into a process.

use core::ffi::{c_int, c_ulong};

use mx_ring::uapi::{MAP_BOARD, MAP_NOTES, MAP_R, MAP_W};

use super::file::StateWord;
use super::shim::{self, Page, Vma};
use super::state::board;
use crate::errno::Errno;
use crate::file_state::FileState;

/// `mmap` of the device: a whole area at its offset, or nothing.
///
/// # Safety
/// `file_state` is the word of an open file; `area` is the mapping that the kernel sets up for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn omx_map(
    file_state: *mut u64,
    area: *mut Vma,
    offset: u64,
    length: u64,
    writable: bool,
) -> c_int {
    // SAFETY: promised by the caller.
    let file_state = unsafe { StateWord::new(file_state) }.get();
    // SAFETY: promised by the caller.
    match unsafe { map(file_state, area, offset, length, writable) } {
        Ok(()) => 0,
        Err(error) => error.negative(),
    }
}

/// # Safety
/// `area` is the mapping that the kernel sets up.
unsafe fn map(
    file_state: FileState,
    area: *mut Vma,
    offset: u64,
    length: u64,
    writable: bool,
) -> Result<(), Errno> {
    if writable && offset != MAP_W {
        return Err(Errno::ACCESS);
    }
    // Under the lock of their owner, so that the pages stay its own; the mapping holds them from then on.
    let insert = |pages: &[*mut Page]| {
        if length != (pages.len() * mx_ring::PAGE_SIZE) as u64 || pages.is_empty() {
            return Err(Errno::INVALID);
        }
        // SAFETY: `area` is promised; the pages are allocated ones, as many as the mapping has room for.
        let inserted = unsafe {
            shim::shim_map(
                area,
                pages.as_ptr(),
                pages.len() as c_ulong,
                offset == MAP_W,
            )
        };
        Errno::check(inserted).map(|_| ())
    };
    match (file_state, offset) {
        (FileState::Board(number) | FileState::Endpoint(number, _), MAP_BOARD) => {
            board(number)?.0.linked(|link| insert(link.board_pages()))?
        }
        (FileState::Endpoint(number, id), MAP_W | MAP_R | MAP_NOTES) => {
            let space = shim::shim_current_space();
            board(number)?.0.usable(id, space, |endpoint| {
                let (w, shared) = (endpoint.w_pages(), endpoint.shared_pages());
                let pages = match offset {
                    MAP_W => 0..w,
                    MAP_R => w..shared,
                    _ => shared..shared + 1,
                };
                insert(endpoint.queues.pages().get(pages).unwrap_or_default())
            })?
        }
        _ => Err(Errno::INVALID),
    }
}
