//! Opening and closing endpoints, connecting.

use core::ffi::c_void;

use mx_engine::Code;
use mx_engine::ContextIds;
use mx_ring::heap;
use open_mx::{Endpoint, EndpointOptions};

use super::calls::on;
use super::library::backend;
use super::messages::{start, word};
use super::registry::Handle;
use super::types::{
    EndpointAddress, EndpointHandle, EndpointParameter, ErrorHandler, RequestHandle, Return,
};
use super::{errors, put, timeout};

/// `OMX_ANY_NIC`, `OMX_ANY_ENDPOINT`.
const ANY: u32 = u32::MAX;
const PARAMETER_ERROR_HANDLER: u32 = 0;
const PARAMETER_UNEXPECTED_QUEUE_MAX: u32 = 1;
const PARAMETER_CONTEXT_ID: u32 = 2;

/// What parameters say.
#[derive(Default)]
pub struct Parameters {
    /// The endpoint's own error handler.
    pub handler: ErrorHandler,
    context_ids: Option<ContextIds>,
}

/// Reads them.
///
/// # Safety
/// `parameters` is null or names `count` parameters.
pub unsafe fn read_parameters(
    parameters: *const EndpointParameter,
    count: u32,
) -> Result<Parameters, Code> {
    let mut read = Parameters::default();
    if parameters.is_null() && count > 0 {
        return Err(Code::EndpointParamsBadList);
    }
    for index in 0..count as usize {
        // SAFETY: the caller names `count` parameters.
        let parameter = unsafe { parameters.add(index).read() };
        match parameter.key {
            PARAMETER_ERROR_HANDLER => {
                // SAFETY: this key's value is the handler.
                read.handler = unsafe { parameter.value.error_handler };
            }
            PARAMETER_UNEXPECTED_QUEUE_MAX => {}
            PARAMETER_CONTEXT_ID => {
                // SAFETY: any bytes are two numbers.
                let [bits, shift] = unsafe { parameter.value.context_id };
                let ids = ContextIds::new(bits, shift);
                read.context_ids = Some(ids.ok_or(Code::EndpointParamBadValue)?);
            }
            _ => return Err(Code::EndpointParamBadKey),
        }
    }
    Ok(read)
}

/// Opens an endpoint. Errors pass through the handler that the parameters name, if they do.
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
    let call = "omx_open_endpoint";
    let Some(backend) = backend() else {
        return errors::handled(None, call, Code::NotInitialized);
    };
    // SAFETY: promised by the caller.
    let parameters = match unsafe { read_parameters(parameters, count) } {
        Ok(parameters) => parameters,
        Err(code) => return errors::handled(None, call, code),
    };
    if !heap::has_room(heap::ROOM) {
        return errors::without_memory(parameters.handler, c"omx_open_endpoint: no memory");
    }
    let options = EndpointOptions {
        board: (board != ANY).then_some(board),
        endpoint: (endpoint != ANY).then_some(endpoint),
        context_ids: parameters.context_ids,
        ..EndpointOptions::new(key)
    };
    let opened = Endpoint::open(&backend, &options);
    let added = opened.and_then(|opened| Handle::add(opened, parameters.handler));
    // SAFETY: promised by the caller.
    let told = added.map(|handle| unsafe { put(out, handle) });
    errors::finish_by(parameters.handler, None, call, told)
}

/// Closes an endpoint. Calls of other threads that wait on it end.
#[unsafe(no_mangle)]
pub extern "C" fn omx_close_endpoint(endpoint: EndpointHandle) -> Return {
    errors::finish(None, "omx_close_endpoint", Handle::remove(endpoint))
}

/// The address by which others know the endpoint.
///
/// # Safety
/// `out` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_get_endpoint_addr(
    endpoint: EndpointHandle,
    out: *mut EndpointAddress,
) -> Return {
    on(endpoint, "omx_get_endpoint_addr", |handle| {
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
    on(endpoint, "omx_connect", |handle| {
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
    // SAFETY: promised by the caller.
    unsafe {
        start("omx_iconnect", endpoint, request, |handle| {
            let endpoint = handle.endpoint();
            endpoint.iconnect(nic, remote, key, match_info, word(context))
        })
    }
}

/// Ends the relation with a partner.
#[unsafe(no_mangle)]
pub extern "C" fn omx_disconnect(endpoint: EndpointHandle, address: EndpointAddress) -> Return {
    on(endpoint, "omx_disconnect", |handle| {
        handle.endpoint().disconnect(handle.partner(address)?)
    })
}
