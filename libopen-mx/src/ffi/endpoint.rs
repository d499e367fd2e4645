//! Opening and closing endpoints, connecting.

use core::ffi::c_void;

use super::library::home;
use super::registry::{Handle, on};
use super::types::{EndpointAddress, EndpointHandle, EndpointParameter, RequestHandle, Return};
use super::{errors, put, timeout};
use crate::code::Code;
use crate::endpoint::{Endpoint, Options};
use crate::error::Error;

/// `OMX_ANY_NIC`, `OMX_ANY_ENDPOINT`.
const ANY: u32 = u32::MAX;
const PARAMETER_ERROR_HANDLER: u32 = 0;
const PARAMETER_UNEXPECTED_QUEUE_MAX: u32 = 1;
const PARAMETER_CONTEXT_ID: u32 = 2;

/// Opens an endpoint.
///
/// # Safety
/// `parameters` is null or names `count` parameters; `out` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_open_endpoint(
    board: u32,
    endpoint: u32,
    key: u32,
    parameters: *const EndpointParameter,
    count: u32,
    out: *mut EndpointHandle,
) -> Return {
    let call = c"omx_open_endpoint";
    let Some(home) = home() else {
        return errors::handled(None, call, Code::NotInitialized);
    };
    if parameters.is_null() && count > 0 {
        return errors::handled(None, call, Code::EndpointParamsBadList);
    }
    let mut handler = None;
    for index in 0..count as usize {
        // SAFETY: the caller names `count` parameters.
        let parameter = unsafe { parameters.add(index).read() };
        match parameter.key {
            PARAMETER_ERROR_HANDLER => {
                // SAFETY: this key's value is the handler.
                handler = unsafe { parameter.value.error_handler };
            }
            PARAMETER_UNEXPECTED_QUEUE_MAX => {}
            PARAMETER_CONTEXT_ID => {
                // SAFETY: any bytes are two numbers.
                let [bits, _shift] = unsafe { parameter.value.context_id };
                if bits != 0 {
                    return errors::handled(None, call, Code::NotImplemented);
                }
            }
            _ => return errors::handled(None, call, Code::EndpointParamBadKey),
        }
    }
    let options = Options {
        board: (board != ANY).then_some(board),
        endpoint: (endpoint != ANY).then_some(endpoint),
        ..Options::new(key)
    };
    let opened = Endpoint::open(&home, &options).and_then(|opened| Handle::add(opened, handler));
    errors::finish(
        None,
        call,
        opened.map(|handle| {
            // SAFETY: promised by the caller.
            unsafe { put(out, handle) };
        }),
    )
}

/// Closes an endpoint.
#[unsafe(no_mangle)]
pub extern "C" fn omx_close_endpoint(endpoint: EndpointHandle) -> Return {
    let closed = Handle::remove(endpoint);
    let result = closed.then_some(()).ok_or(Error::NoEndpoint(u32::MAX));
    errors::finish(None, c"omx_close_endpoint", result)
}

/// Makes all waiting calls of an endpoint return.
#[unsafe(no_mangle)]
pub extern "C" fn omx_wakeup(endpoint: EndpointHandle) -> Return {
    on(endpoint, c"omx_wakeup", |handle| {
        handle.endpoint().wakeup();
        Ok(())
    })
}

/// Makes progress.
#[unsafe(no_mangle)]
pub extern "C" fn omx_progress(endpoint: EndpointHandle) -> Return {
    on(endpoint, c"omx_progress", |handle| {
        handle.endpoint().progress()
    })
}

/// The own address.
///
/// # Safety
/// `out` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_get_endpoint_addr(
    endpoint: EndpointHandle,
    out: *mut EndpointAddress,
) -> Return {
    on(endpoint, c"omx_get_endpoint_addr", |handle| {
        let address = handle.endpoint().address()?;
        // SAFETY: promised by the caller.
        unsafe { put(out, handle.address(&address)) };
        Ok(())
    })
}

/// Connects, and waits for the answer.
///
/// # Safety
/// `out` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_connect(
    endpoint: EndpointHandle,
    nic: u64,
    remote: u32,
    key: u32,
    milliseconds: u32,
    out: *mut EndpointAddress,
) -> Return {
    on(endpoint, c"omx_connect", |handle| {
        let address = handle
            .endpoint()
            .connect(nic, remote, key, timeout(milliseconds))?;
        // SAFETY: promised by the caller.
        unsafe { put(out, handle.address(&address)) };
        Ok(())
    })
}

/// Starts to connect.
///
/// # Safety
/// `request` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_iconnect(
    endpoint: EndpointHandle,
    nic: u64,
    remote: u32,
    key: u32,
    match_info: u64,
    context: *mut c_void,
    request: *mut RequestHandle,
) -> Return {
    on(endpoint, c"omx_iconnect", |handle| {
        let context = context.expose_provenance() as u64;
        let started = handle
            .endpoint()
            .iconnect(nic, remote, key, match_info, context)?;
        if request.is_null() {
            return handle.endpoint().forget(started);
        }
        // SAFETY: promised by the caller.
        unsafe { put(request, handle.request_handle(started)) };
        Ok(())
    })
}

/// Ends the relation with a partner.
#[unsafe(no_mangle)]
pub extern "C" fn omx_disconnect(endpoint: EndpointHandle, address: EndpointAddress) -> Return {
    on(endpoint, c"omx_disconnect", |handle| {
        handle.endpoint().disconnect(address.address())
    })
}

/// Board and endpoint of an address.
///
/// # Safety
/// `nic` and `remote` are null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_decompose_endpoint_addr(
    address: EndpointAddress,
    nic: *mut u64,
    remote: *mut u32,
) -> Return {
    // SAFETY: promised by the caller.
    unsafe {
        put(nic, address.nic_id());
        put(remote, address.endpoint());
    }
    Code::Success as Return
}

/// Board, endpoint and session of an address.
///
/// # Safety
/// `nic`, `remote` and `session` are null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_decompose_endpoint_addr_with_session(
    address: EndpointAddress,
    nic: *mut u64,
    remote: *mut u32,
    session: *mut u32,
) -> Return {
    // SAFETY: promised by the caller.
    unsafe {
        put(nic, address.nic_id());
        put(remote, address.endpoint());
        put(session, address.session());
    }
    Code::Success as Return
}
