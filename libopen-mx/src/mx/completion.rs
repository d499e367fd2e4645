//! Completion of requests: the timeout stands before what is asked for.

use core::ffi::c_void;

use super::codes::{self, returned};
use super::{Return, timeout};
use crate::ffi::completion::{
    omx_cancel, omx_context, omx_ibuffered, omx_ipeek, omx_iprobe, omx_peek, omx_probe, omx_test,
    omx_test_any, omx_wait, omx_wait_any,
};
use crate::ffi::put;
use crate::ffi::types::{EndpointHandle, RequestHandle, Status};

/// Runs a call that tells a status, and gives the status MX's code.
///
/// # Safety
/// `status` and `result` are null or valid for a write.
unsafe fn told(
    status: *mut Status,
    result: *mut u32,
    call: impl FnOnce(*mut Status, *mut u32) -> Return,
) -> Return {
    let (mut found, mut ended) = (0, Status::default());
    let code = call(&raw mut ended, &raw mut found);
    // SAFETY: promised by the caller.
    unsafe {
        if found != 0 {
            ended.code = codes::status(ended.code);
            put(status, ended);
        }
        put(result, found);
    }
    returned(code)
}

/// Declares calls that tell a status: `=> status, result` stands for the places of both, the
/// last two arguments.
macro_rules! telling_calls {
    ($(
        $(#[$doc:meta])*
        fn $name:ident($($argument:ident: $type:ty),* => $status:ident, $result:ident)
            = $native:ident($($given:expr),* $(,)?);
    )*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        #[doc = concat!("As for [`", stringify!($native), "`].")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            $($argument: $type,)*
            $status: *mut Status,
            $result: *mut u32,
        ) -> Return {
            // SAFETY: promised by the caller.
            unsafe { told($status, $result, |$status, $result| $native($($given),*)) }
        }
    )*};
}

telling_calls! {
    /// Whether a request is done; then it is used up.
    fn mx_test(endpoint: EndpointHandle, request: *mut RequestHandle => status, result)
        = omx_test(endpoint, request, status, result);

    /// Waits for a request; when it is done it is used up.
    fn mx_wait(
        endpoint: EndpointHandle, request: *mut RequestHandle, milliseconds: u32 => status, result
    ) = omx_wait(endpoint, request, status, result, timeout(milliseconds));

    /// The first done request whose match info fits; it is used up.
    fn mx_test_any(endpoint: EndpointHandle, match_info: u64, mask: u64 => status, result)
        = omx_test_any(endpoint, match_info, mask, status, result);

    /// Waits for a done request whose match info fits; it is used up.
    fn mx_wait_any(
        endpoint: EndpointHandle, milliseconds: u32, match_info: u64, mask: u64 => status, result
    ) = omx_wait_any(endpoint, match_info, mask, status, result, timeout(milliseconds));

    /// The first unexpected message whose match info fits; it stays.
    fn mx_iprobe(endpoint: EndpointHandle, match_info: u64, mask: u64 => status, result)
        = omx_iprobe(endpoint, match_info, mask, status, result);

    /// Waits for an unexpected message whose match info fits; it stays.
    fn mx_probe(
        endpoint: EndpointHandle, milliseconds: u32, match_info: u64, mask: u64 => status, result
    ) = omx_probe(endpoint, match_info, mask, status, result, timeout(milliseconds));
}

calls! {
    /// The first done request, which stays.
    fn mx_ipeek(endpoint: EndpointHandle, request: *mut RequestHandle, result: *mut u32)
        = omx_ipeek(endpoint, request, result);

    /// Waits for a done request, which stays.
    fn mx_peek(
        endpoint: EndpointHandle, milliseconds: u32, request: *mut RequestHandle, result: *mut u32,
    ) = omx_peek(endpoint, request, result, timeout(milliseconds));

    /// Whether the memory of a send may be used again.
    fn mx_ibuffered(endpoint: EndpointHandle, request: *mut RequestHandle, result: *mut u32)
        = omx_ibuffered(endpoint, request, result);

    /// Takes back a receive that nothing has matched, or a pending connect.
    fn mx_cancel(endpoint: EndpointHandle, request: *mut RequestHandle, result: *mut u32)
        = omx_cancel(endpoint, request, result);

    /// The context of a request.
    fn mx_context(request: *mut RequestHandle, context: *mut *mut c_void)
        = omx_context(request, context);
}
