//! The extensions of MX (`mx_extensions.h`).

use core::ffi::c_void;

use super::codes::returned;
use super::{Return, timeout};
use crate::ffi::address::{
    omx_decompose_endpoint_addr_with_session, omx_get_endpoint_addr_context,
    omx_set_endpoint_addr_context,
};
use crate::ffi::completion::omx_forget;
use crate::ffi::endpoint::{omx_disconnect, omx_iconnect};
use crate::ffi::errors::handled;
use crate::ffi::progress::{omx_progress, omx_register_unexp_handler, omx_set_request_timeout};
use crate::ffi::registry::Handle;
use crate::ffi::types::{EndpointAddress, EndpointHandle, RequestHandle, UnexpectedHandler};
use mx_engine::Code;

calls! {
    /// Starts to connect.
    fn mx_iconnect(
        endpoint: EndpointHandle, nic: u64, remote: u32, key: u32, match_info: u64, context: *mut c_void,
        request: *mut RequestHandle,
    ) = omx_iconnect(endpoint, nic, remote, key, match_info, context, request);

    /// Board, endpoint and session of an address.
    fn mx_decompose_endpoint_addr2(
        address: EndpointAddress, nic: *mut u64, remote: *mut u32, session: *mut u32,
    ) = omx_decompose_endpoint_addr_with_session(address, nic, remote, session);

    /// Gives up all interest in a request.
    fn mx_forget(endpoint: EndpointHandle, request: *mut RequestHandle) = omx_forget(endpoint, request);

    /// Sets who is asked about messages that no receive waits for; none for nobody.
    fn mx_register_unexp_handler(
        endpoint: EndpointHandle, handler: UnexpectedHandler, context: *mut c_void,
    ) = omx_register_unexp_handler(endpoint, handler, context);

    /// The pointer that [`mx_set_endpoint_addr_context`] has set.
    fn mx_get_endpoint_addr_context(address: EndpointAddress, context: *mut *mut c_void)
        = omx_get_endpoint_addr_context(address, context);
}

/// Ends the relation with a partner.
#[unsafe(no_mangle)]
pub extern "C" fn mx_disconnect(endpoint: EndpointHandle, address: EndpointAddress) -> Return {
    returned(omx_disconnect(endpoint, address))
}

/// Makes progress.
#[unsafe(no_mangle)]
pub extern "C" fn mx_progress(endpoint: EndpointHandle) -> Return {
    returned(omx_progress(endpoint))
}

/// The program's own pointer for a remote endpoint.
#[unsafe(no_mangle)]
pub extern "C" fn mx_set_endpoint_addr_context(
    address: EndpointAddress,
    context: *mut c_void,
) -> Return {
    returned(omx_set_endpoint_addr_context(address, context))
}

/// How long a request is tried, or without one all that begin later.
#[unsafe(no_mangle)]
pub extern "C" fn mx_set_request_timeout(
    endpoint: EndpointHandle,
    request: RequestHandle,
    milliseconds: u32,
) -> Return {
    returned(omx_set_request_timeout(
        endpoint,
        request,
        timeout(milliseconds),
    ))
}

/// Functions of MX that no library has: each call of one is an error.
macro_rules! missing {
    ($($name:ident)*) => {$(
        #[doc = concat!("`", stringify!($name), "`: fails, whatever its other arguments are.")]
        #[unsafe(no_mangle)]
        pub extern "C" fn $name(endpoint: EndpointHandle) -> Return {
            let handle = Handle::find(endpoint);
            returned(handled(handle.as_ref(), stringify!($name), Code::NotImplemented))
        }
    )*};
}

missing! { mx_register_unexp_callback mx_iput mx_iget mx_buffered }
