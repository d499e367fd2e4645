//! Opening and closing endpoints, connecting.

use super::codes::returned;
use super::{Return, timeout};
use crate::ffi::address::omx_decompose_endpoint_addr;
use crate::ffi::endpoint::{
    omx_close_endpoint, omx_connect, omx_get_endpoint_addr, omx_open_endpoint,
};
use crate::ffi::progress::{omx_disable_progression, omx_reenable_progression, omx_wakeup};
use crate::ffi::types::{EndpointAddress, EndpointHandle, EndpointParameter};

calls! {
    /// Opens an endpoint.
    fn mx_open_endpoint(
        board: u32, endpoint: u32, key: u32, parameters: *const EndpointParameter, count: u32, out: *mut EndpointHandle,
    ) = omx_open_endpoint(board, endpoint, key, parameters, count, out);

    /// Connects, and waits for the answer.
    fn mx_connect(
        endpoint: EndpointHandle, nic: u64, remote: u32, key: u32, milliseconds: u32, out: *mut EndpointAddress,
    ) = omx_connect(endpoint, nic, remote, key, timeout(milliseconds), out);

    /// The address by which others know the endpoint.
    fn mx_get_endpoint_addr(endpoint: EndpointHandle, out: *mut EndpointAddress)
        = omx_get_endpoint_addr(endpoint, out);

    /// Board and endpoint of an address.
    fn mx_decompose_endpoint_addr(address: EndpointAddress, nic: *mut u64, remote: *mut u32)
        = omx_decompose_endpoint_addr(address, nic, remote);
}

/// Closes an endpoint.
#[unsafe(no_mangle)]
pub extern "C" fn mx_close_endpoint(endpoint: EndpointHandle) -> Return {
    returned(omx_close_endpoint(endpoint))
}

/// Makes all waiting calls of an endpoint return.
#[unsafe(no_mangle)]
pub extern "C" fn mx_wakeup(endpoint: EndpointHandle) -> Return {
    returned(omx_wakeup(endpoint))
}

/// From now on no call makes progress.
#[unsafe(no_mangle)]
pub extern "C" fn mx_disable_progression(endpoint: EndpointHandle) -> Return {
    returned(omx_disable_progression(endpoint))
}

/// Calls make progress again.
#[unsafe(no_mangle)]
pub extern "C" fn mx_reenable_progression(endpoint: EndpointHandle) -> Return {
    returned(omx_reenable_progression(endpoint))
}
