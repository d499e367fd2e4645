//! Opening and closing endpoints, connecting.

use super::codes::returned;
use super::{Return, timeout};
use crate::ffi::address::omx_decompose_endpoint_addr;
use crate::ffi::endpoint::{
    omx_close_endpoint, omx_connect, omx_get_endpoint_addr, omx_open_endpoint,
};
use crate::ffi::progress::{omx_disable_progression, omx_reenable_progression, omx_wakeup};
use crate::ffi::types::{EndpointAddress, EndpointHandle, EndpointParameter};

/// Opens an endpoint.
///
/// # Safety
/// As for [`omx_open_endpoint`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mx_open_endpoint(
    board: u32,
    endpoint: u32,
    key: u32,
    parameters: *const EndpointParameter,
    count: u32,
    out: *mut EndpointHandle,
) -> Return {
    // SAFETY: promised by the caller.
    returned(unsafe { omx_open_endpoint(board, endpoint, key, parameters, count, out) })
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

/// Connects, and waits for the answer.
///
/// # Safety
/// As for [`omx_connect`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mx_connect(
    endpoint: EndpointHandle,
    nic: u64,
    remote: u32,
    key: u32,
    milliseconds: u32,
    out: *mut EndpointAddress,
) -> Return {
    // SAFETY: promised by the caller.
    returned(unsafe { omx_connect(endpoint, nic, remote, key, timeout(milliseconds), out) })
}

/// The own address.
///
/// # Safety
/// As for [`omx_get_endpoint_addr`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mx_get_endpoint_addr(
    endpoint: EndpointHandle,
    out: *mut EndpointAddress,
) -> Return {
    // SAFETY: promised by the caller.
    returned(unsafe { omx_get_endpoint_addr(endpoint, out) })
}

/// Board and endpoint of an address.
///
/// # Safety
/// As for [`omx_decompose_endpoint_addr`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mx_decompose_endpoint_addr(
    address: EndpointAddress,
    nic: *mut u64,
    remote: *mut u32,
) -> Return {
    // SAFETY: promised by the caller.
    returned(unsafe { omx_decompose_endpoint_addr(address, nic, remote) })
}
