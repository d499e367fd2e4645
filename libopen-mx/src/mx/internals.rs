//! Internal functions of MX that Open MPI uses, to tell networks apart and to announce that memory goes away.

use core::ffi::{c_int, c_void};

use mx_engine::Code;
use open_mx::board::Board;

use super::Return;
use crate::ffi::library::backend;
use crate::ffi::put;

/// `mx_mapper_state_t`.
#[repr(C)]
pub struct MapperState {
    board: u32,
    mac: [u8; 6],
    port: u16,
    version: u32,
    hosts: u32,
    network_configured: u32,
    routes_valid: u32,
    level: u32,
    flags: u32,
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
/// (protocol.md §12), with the board's peers as hosts.
///
/// # Safety
/// `state` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mx__get_mapper_state(handle: c_int, state: *mut MapperState) -> Return {
    if !state.is_null() {
        // SAFETY: not null, hence valid by the caller's promise.
        unsafe {
            (&raw mut (*state).mac).write([0; 6]);
            (&raw mut (*state).version).write(1);
            (&raw mut (*state).hosts).write(peers(handle));
            (&raw mut (*state).network_configured).write(1);
            (&raw mut (*state).routes_valid).write(1);
            (&raw mut (*state).level).write(0);
            (&raw mut (*state).flags).write(0);
        }
    }
    Code::Success as Return
}

/// How many peers a board knows; none where there is no such board.
fn peers(board: c_int) -> u32 {
    let board = u32::try_from(board).ok().zip(backend());
    let board = board.and_then(|(board, backend)| Board::attach(&backend, board).ok());
    board.map_or(0, |board| board.peers().count() as u32)
}

/// Memory goes away: the library sees that itself.
#[unsafe(no_mangle)]
pub extern "C" fn mx__regcache_clean(_start: *mut c_void, _length: usize) -> c_int {
    0
}
