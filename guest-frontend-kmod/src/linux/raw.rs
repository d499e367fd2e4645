//! The raw endpoint of a board: an open file on which each `read` and each `write` is a RAW frame.

use core::ffi::{c_int, c_uint};

use mx_ring::uapi::RAW_FRAME_MAX;

use super::file::StateWord;
use super::shim;
use super::state::{self, FOR_EVER, until_ready};
use crate::errno::Errno;

/// Opens it, for who may send raw frames; its number.
pub fn open(board: usize) -> Result<u32, Errno> {
    if !shim::shim_current_may_send_raw() {
        return Err(Errno::NOT_PERMITTED);
    }
    let number = state::frontend()?.next_incarnation();
    let (backend, shared) = state::board(board)?;
    backend.open_raw(shared, number, shim::current_process())?;
    let opened = until_ready(board, FOR_EVER, || backend.raw_opened(number));
    opened.inspect_err(|_| backend.close_raw(shared, number))??;
    Ok(number)
}

/// Closes it.
pub fn close(board: usize, number: u32) {
    if let Ok((board, shared)) = state::board(board) {
        board.close_raw(shared, number);
    }
}

/// Which board's raw endpoint a file is; negative when it is none.
///
/// # Safety
/// `file_state` is the word of an open file.
#[unsafe(no_mangle)]
unsafe extern "C" fn omx_raw_board(file_state: *mut u64) -> c_int {
    // SAFETY: promised by the caller.
    match unsafe { StateWord::new(file_state) }.raw() {
        Ok((board, _)) => board as c_int,
        Err(error) => error.negative(),
    }
}

/// Sends a frame. May wait while the control pages are in use.
///
/// # Safety
/// `file_state` is the word of an open file; `frame` names `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn omx_raw_send(file_state: *mut u64, frame: *const u8, length: c_uint) -> c_int {
    // SAFETY: promised by the caller.
    let file_state = unsafe { StateWord::new(file_state) };
    let length = length as usize;
    if length > RAW_FRAME_MAX {
        return Errno::FRAME_TOO_LONG.negative();
    }
    // SAFETY: promised by the caller, who is a reader of these bytes alone.
    let frame = unsafe { core::slice::from_raw_parts(frame, length) };
    let sent = file_state.raw().and_then(|(board, number)| {
        let (backend, shared) = state::board(board)?;
        until_ready(board, FOR_EVER, || backend.send_raw(shared, number, frame))?
    });
    match sent {
        Ok(()) => length as c_int,
        Err(error) => error.negative(),
    }
}

/// Copies the next frame; its length, or `AGAIN` when there is none.
///
/// # Safety
/// `file_state` is the word of an open file; `frame` has room for the longest frame.
#[unsafe(no_mangle)]
unsafe extern "C" fn omx_raw_take(file_state: *mut u64, frame: *mut [u8; RAW_FRAME_MAX]) -> c_int {
    // SAFETY: promised by the caller.
    let (file_state, frame) = unsafe { (StateWord::new(file_state), &mut *frame) };
    let taken = file_state.raw().and_then(|(board, number)| {
        let (backend, shared) = state::board(board)?;
        backend.take_raw(shared, number, frame)
    });
    match taken {
        Ok(Some(length)) => length as c_int,
        Ok(None) => Errno::AGAIN.negative(),
        Err(error) => error.negative(),
    }
}

/// Whether there is a frame: 1, 0, or negative when the endpoint has ended.
///
/// # Safety
/// `file_state` is the word of an open file.
#[unsafe(no_mangle)]
unsafe extern "C" fn omx_raw_waits(file_state: *mut u64) -> c_int {
    // SAFETY: promised by the caller.
    let file_state = unsafe { StateWord::new(file_state) };
    let waits = file_state
        .raw()
        .and_then(|(board, number)| state::board(board)?.0.raw_waits(number));
    match waits {
        Ok(waits) => c_int::from(waits),
        Err(error) => error.negative(),
    }
}
