//! Initialisation, boards and names.

use core::ffi::{CStr, c_char};
use std::sync::{PoisonError, RwLock};

use mx_engine::Code;
use mx_ring::heap;
use open_mx::board::{Board, text};
use open_mx::environment;
use open_mx::{Backend, Error};

use super::types::Return;
use super::{errors, put};

/// `OMX_API` of the header: what differs above the low byte is another API.
const API: u32 = 0x301;
/// Bytes of a host name in the API, its NUL included.
const HOSTNAME_SIZE: usize = mx_ring::board_page::HOSTNAME_MAX;

static BACKEND: RwLock<Option<Backend>> = RwLock::new(None);

/// The backend that was found at initialisation.
pub fn backend() -> Option<Backend> {
    BACKEND
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

/// A call that needs the library initialised.
fn initialised(call: &str, run: impl FnOnce(&Backend) -> Result<(), Error>) -> Return {
    match backend() {
        Some(backend) => errors::finish(None, call, run(&backend)),
        None => errors::handled(None, call, Code::NotInitialized),
    }
}

/// Initialises the library for programs of this API.
#[unsafe(no_mangle)]
pub extern "C" fn omx__init_api(api: i32) -> Return {
    if backend().is_some() {
        // Harmless, and common in programs that use several libraries: the handler, which may end the program, is not
        // asked.
        return Code::AlreadyInitialized as Return;
    }
    if !heap::has_room(heap::ROOM) {
        return errors::without_memory(None, c"omx_init: no memory");
    }
    environment::read_reporting();
    if api.cast_unsigned() >> 8 != API >> 8 {
        return errors::handled(None, "omx_init", Code::BadLibAbi);
    }
    let found = Backend::find().and_then(|backend| backend.greet().map(|()| backend));
    errors::finish(
        None,
        "omx_init",
        found.map(|backend| {
            if environment::reporting().verbose {
                environment::say(&format!("the boards are those of {backend:?}"));
            }
            *BACKEND.write().unwrap_or_else(PoisonError::into_inner) = Some(backend);
            errors::set_initialised(true);
        }),
    )
}

/// Ends the use of the library. Open endpoints are not looked at.
#[unsafe(no_mangle)]
pub extern "C" fn omx_finalize() -> Return {
    initialised("omx_finalize", |_| {
        *BACKEND.write().unwrap_or_else(PoisonError::into_inner) = None;
        errors::set_initialised(false);
        Ok(())
    })
}

/// Address of a local board.
///
/// # Safety
/// `nic` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_board_number_to_nic_id(board: u32, nic: *mut u64) -> Return {
    initialised("omx_board_number_to_nic_id", |backend| {
        let description = Board::attach(backend, board)?.description()?;
        // SAFETY: promised by the caller.
        unsafe { put(nic, description.mac.nic_id()) };
        Ok(())
    })
}

/// Number of the local board with this address.
///
/// # Safety
/// `board` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_nic_id_to_board_number(nic: u64, board: *mut u32) -> Return {
    initialised("omx_nic_id_to_board_number", |backend| {
        let number = Board::number_of(backend, nic)?;
        // SAFETY: promised by the caller.
        unsafe { put(board, number) };
        Ok(())
    })
}

/// Address of the peer with this name, in the peer table of any board.
///
/// # Safety
/// `name` is a C string; `nic` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_hostname_to_nic_id(name: *const c_char, nic: *mut u64) -> Return {
    initialised("omx_hostname_to_nic_id", |backend| {
        if name.is_null() {
            return Err(Error::NoPeerName(String::new()));
        }
        // SAFETY: promised by the caller.
        let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
        let boards = Board::all(backend)?;
        let found = boards
            .iter()
            .map(|(_, board)| board.nic_id_by_hostname(&name))
            .find(|found| !matches!(found, Err(Error::NoPeerName(_))));
        let found = found.ok_or_else(|| Error::NoPeerName(name.into_owned()))??;
        // SAFETY: promised by the caller.
        unsafe { put(nic, found) };
        Ok(())
    })
}

/// Name of the peer with this address; empty when it is not yet known.
///
/// # Safety
/// `name` is null or has room for 80 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_nic_id_to_hostname(nic: u64, name: *mut c_char) -> Return {
    initialised("omx_nic_id_to_hostname", |backend| {
        let boards = Board::all(backend)?;
        let found = boards
            .iter()
            .find_map(|(_, board)| board.peer(board.peer_by_nic_id(nic).ok()?));
        let found = found.ok_or(Error::NoPeerName(format!("{nic:012x}")))?;
        let mut padded = [0; HOSTNAME_SIZE];
        let text = text(&found.hostname);
        let length = text.len().min(HOSTNAME_SIZE - 1);
        padded[..length].copy_from_slice(&text.as_bytes()[..length]);
        // SAFETY: promised by the caller.
        unsafe { put(name.cast::<[u8; HOSTNAME_SIZE]>(), padded) };
        Ok(())
    })
}
