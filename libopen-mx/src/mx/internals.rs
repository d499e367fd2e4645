//! Internal functions of MX that Open MPI uses, to tell networks apart and to announce that memory goes away.

use core::ffi::{c_int, c_void};

use super::Return;
use crate::code::Code;
use crate::ffi::put;

/// `mx_mapper_state_t`.
#[repr(C)]
pub struct MapperState {
    board: u32,
    mac: [u8; 6],
    port: u16,
    version: u32,
}

/// Opens a board for [`mx__get_mapper_state`]: there is nothing to open.
///
/// # Safety
/// `handle` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mx_open_board(board: c_int, handle: *mut c_int) -> Return {
    // SAFETY: promised by the caller.
    unsafe { put(handle, board) };
    Code::Success as Return
}

/// Who maps the network: boards find each other, hence the state that `omxoed` sets, version 1 and no mapper
/// (protocol.md §12).
///
/// # Safety
/// `state` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mx__get_mapper_state(_handle: c_int, state: *mut MapperState) -> Return {
    if !state.is_null() {
        // SAFETY: not null, hence valid by the caller's promise.
        unsafe {
            (&raw mut (*state).mac).write([0; 6]);
            (&raw mut (*state).version).write(1);
        }
    }
    Code::Success as Return
}

/// Memory goes away: the library sees that itself.
#[unsafe(no_mangle)]
pub extern "C" fn mx__regcache_clean(_start: *mut c_void, _length: usize) -> c_int {
    0
}
