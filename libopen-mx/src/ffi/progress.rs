//! Progress: making it, forbidding it, waking those who wait for it, how long requests are tried, and the handler that
//! it may call.

use core::ffi::c_void;
use core::ptr::null_mut;
use std::sync::Arc;

use mx_engine::Action;
use open_mx::UnexpectedMessage;

use super::calls::on;
use super::timeout;
use super::types::{EndpointAddress, EndpointHandle, RequestHandle, Return, UnexpectedHandler};

/// `OMX_RECV_FINISHED`.
const FINISHED: u32 = 1;

/// Makes all waiting calls of an endpoint return.
#[unsafe(no_mangle)]
pub extern "C" fn omx_wakeup(endpoint: EndpointHandle) -> Return {
    on(endpoint, "omx_wakeup", |handle| {
        handle.endpoint().wakeup();
        Ok(())
    })
}

/// Makes progress.
#[unsafe(no_mangle)]
pub extern "C" fn omx_progress(endpoint: EndpointHandle) -> Return {
    on(endpoint, "omx_progress", |handle| {
        handle.endpoint().progress()
    })
}

/// From now on no call makes progress. A running unexpected handler is waited for.
#[unsafe(no_mangle)]
pub extern "C" fn omx_disable_progression(endpoint: EndpointHandle) -> Return {
    on(endpoint, "omx_disable_progression", |handle| {
        handle.endpoint().disable_progression()
    })
}

/// Calls make progress again.
#[unsafe(no_mangle)]
pub extern "C" fn omx_reenable_progression(endpoint: EndpointHandle) -> Return {
    on(endpoint, "omx_reenable_progression", |handle| {
        handle.endpoint().reenable_progression();
        Ok(())
    })
}

/// How long a request is tried, or without one all that begin later.
#[unsafe(no_mangle)]
pub extern "C" fn omx_set_request_timeout(
    endpoint: EndpointHandle,
    request: RequestHandle,
    milliseconds: u32,
) -> Return {
    on(endpoint, "omx_set_request_timeout", |handle| {
        let request = if request.is_null() {
            None
        } else {
            Some(handle.request(request)?)
        };
        handle
            .endpoint()
            .set_timeout(request, timeout(milliseconds))
    })
}

/// The program's context of its handler, which may be called in any thread that makes progress.
struct Context(*mut c_void);

// SAFETY: the pointer is only handed back to the program, which asked for it to be used in any thread.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

/// Sets the handler of unexpected messages; null for none.
///
/// # Safety
/// `handler` can be called with `context` until another one is set or the endpoint is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_register_unexp_handler(
    endpoint: EndpointHandle,
    handler: UnexpectedHandler,
    context: *mut c_void,
) -> Return {
    on(endpoint, "omx_register_unexp_handler", |handle| {
        let Some(handler) = handler else {
            handle.endpoint().set_unexpected_handler(None);
            return Ok(());
        };
        let (context, seat) = (Context(context), handle.seat());
        let show = move |message: UnexpectedMessage<'_>| {
            let context = &context;
            let source = message
                .source
                .map_or_else(EndpointAddress::default, |source| {
                    EndpointAddress::new(&source, seat)
                });
            let data = message
                .data
                .map_or(null_mut(), |data| data.as_mut_ptr().cast());
            // SAFETY: promised by the caller; the data, where there is some, lives until the handler returns.
            let action =
                unsafe { handler(context.0, source, message.match_info, message.length, data) };
            if action == FINISHED {
                Action::Finished
            } else {
                Action::Continue
            }
        };
        handle
            .endpoint()
            .set_unexpected_handler(Some(Arc::new(show)));
        Ok(())
    })
}
