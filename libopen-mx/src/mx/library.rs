//! Initialisation, boards and names.

use core::ffi::c_char;

use super::codes::returned;
use super::{Return, language};
use crate::ffi::library::{
    omx__init_api, omx_board_number_to_nic_id, omx_finalize, omx_hostname_to_nic_id,
    omx_nic_id_to_board_number, omx_nic_id_to_hostname,
};

/// Initialises the library for programs of this API.
#[unsafe(no_mangle)]
pub extern "C" fn mx__init_api(api: i32) -> Return {
    language::speak();
    returned(omx__init_api(api))
}

/// Ends the use of the library.
#[unsafe(no_mangle)]
pub extern "C" fn mx_finalize() -> Return {
    returned(omx_finalize())
}

calls! {
    /// Address of a local board.
    fn mx_board_number_to_nic_id(board: u32, nic: *mut u64) = omx_board_number_to_nic_id(board, nic);

    /// Number of the local board with this address.
    fn mx_nic_id_to_board_number(nic: u64, board: *mut u32) = omx_nic_id_to_board_number(nic, board);

    /// Address of the peer with this name.
    fn mx_hostname_to_nic_id(name: *const c_char, nic: *mut u64) = omx_hostname_to_nic_id(name, nic);

    /// Name of the peer with this address.
    fn mx_nic_id_to_hostname(nic: u64, name: *mut c_char) = omx_nic_id_to_hostname(nic, name);
}
