//! Completion of requests: test, wait, peek, probe, cancel, forget.
//!
//! Three shapes of calls, each in one function: those that use up a request, those that find something by its match
//! info, and those that ask about a request.

use core::ffi::c_void;
use core::ptr::{null_mut, with_exposed_provenance_mut};

use open_mx::{Endpoint, Error, Request};

use super::calls::on;
use super::registry::Handle;
use super::types::{EndpointHandle, RequestHandle, Return, Status};
use super::{errors, put, timeout};

type Found = Result<Option<open_mx::Status>, Error>;

/// Tells what was found: status and 1, or 0.
///
/// # Safety
/// `status` and `result` are null or valid for a write.
unsafe fn tell(
    handle: &Handle,
    found: Option<open_mx::Status>,
    status: *mut Status,
    result: *mut u32,
) {
    // SAFETY: promised by the caller.
    unsafe {
        // An error in the status passes through the handler, whether or not the caller wants the status.
        if let Some(found) = found.map(|found| handle.status(&found)) {
            put(status, found);
        }
        put(result, found.is_some().into());
    }
}

/// A call that uses a request up when it is done.
///
/// # Safety
/// `request` is valid for reads and writes; `status` and `result` are null or valid for a write.
unsafe fn consume(
    call: &str,
    endpoint: EndpointHandle,
    (request, status, result): (*mut RequestHandle, *mut Status, *mut u32),
    look: impl FnOnce(&Endpoint, Request) -> Found,
) -> Return {
    on(endpoint, call, |handle| {
        // SAFETY: promised by the caller.
        unsafe {
            let found = look(handle.endpoint(), handle.named(request)?)?;
            if found.is_some() {
                put(request, null_mut());
            }
            tell(handle, found, status, result);
        }
        Ok(())
    })
}

/// A call that finds something by its match info.
///
/// # Safety
/// `status` and `result` are null or valid for a write.
unsafe fn find(
    call: &str,
    endpoint: EndpointHandle,
    (status, result): (*mut Status, *mut u32),
    look: impl FnOnce(&Endpoint) -> Found,
) -> Return {
    on(endpoint, call, |handle| {
        let found = look(handle.endpoint())?;
        // SAFETY: promised by the caller.
        unsafe { tell(handle, found, status, result) };
        Ok(())
    })
}

/// A call that finds a done request, which stays.
///
/// # Safety
/// `request` and `result` are null or valid for a write.
unsafe fn peek(
    call: &str,
    endpoint: EndpointHandle,
    (request, result): (*mut RequestHandle, *mut u32),
    look: impl FnOnce(&Endpoint) -> Result<Option<Request>, Error>,
) -> Return {
    on(endpoint, call, |handle| {
        let found = look(handle.endpoint())?;
        // SAFETY: promised by the caller.
        unsafe {
            if let Some(found) = found {
                put(request, handle.request_handle(found));
            }
            put(result, found.is_some().into());
        }
        Ok(())
    })
}

/// A call that asks something about a request; when the answer is yes and `consumed`, the request is used up.
///
/// # Safety
/// `request` is valid for reads and writes; `result` is null or valid for a write.
unsafe fn ask(
    call: &str,
    endpoint: EndpointHandle,
    (request, result): (*mut RequestHandle, *mut u32),
    consumed: bool,
    question: impl FnOnce(&Endpoint, Request) -> Result<bool, Error>,
) -> Return {
    on(endpoint, call, |handle| {
        // SAFETY: promised by the caller.
        unsafe {
            let answer = question(handle.endpoint(), handle.named(request)?)?;
            if answer && consumed {
                put(request, null_mut());
            }
            put(result, answer.into());
        }
        Ok(())
    })
}

/// Whether a request is done; then it is used up.
///
/// # Safety
/// `request` is valid for reads and writes; `status` and `result` are null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_test(
    endpoint: EndpointHandle,
    request: *mut RequestHandle,
    status: *mut Status,
    result: *mut u32,
) -> Return {
    // SAFETY: promised by the caller.
    unsafe {
        consume(
            "omx_test",
            endpoint,
            (request, status, result),
            Endpoint::test,
        )
    }
}

/// Waits for a request; when it is done it is used up.
///
/// # Safety
/// As for [`omx_test`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_wait(
    endpoint: EndpointHandle,
    request: *mut RequestHandle,
    status: *mut Status,
    result: *mut u32,
    milliseconds: u32,
) -> Return {
    // SAFETY: promised by the caller.
    unsafe {
        consume(
            "omx_wait",
            endpoint,
            (request, status, result),
            |endpoint, request| endpoint.wait(request, timeout(milliseconds)),
        )
    }
}

/// The first done request whose match info fits; it is used up.
///
/// # Safety
/// `status` and `result` are null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_test_any(
    endpoint: EndpointHandle,
    match_info: u64,
    mask: u64,
    status: *mut Status,
    result: *mut u32,
) -> Return {
    // SAFETY: promised by the caller.
    unsafe {
        find("omx_test_any", endpoint, (status, result), |endpoint| {
            endpoint.test_any(match_info, mask)
        })
    }
}

/// Waits for a done request whose match info fits; it is used up.
///
/// # Safety
/// `status` and `result` are null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_wait_any(
    endpoint: EndpointHandle,
    match_info: u64,
    mask: u64,
    status: *mut Status,
    result: *mut u32,
    milliseconds: u32,
) -> Return {
    // SAFETY: promised by the caller.
    unsafe {
        find("omx_wait_any", endpoint, (status, result), |endpoint| {
            endpoint.wait_any(match_info, mask, timeout(milliseconds))
        })
    }
}

/// The first done request, which stays.
///
/// # Safety
/// `request` and `result` are null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_ipeek(
    endpoint: EndpointHandle,
    request: *mut RequestHandle,
    result: *mut u32,
) -> Return {
    // SAFETY: promised by the caller.
    unsafe { peek("omx_ipeek", endpoint, (request, result), Endpoint::ipeek) }
}

/// Waits for a done request, which stays.
///
/// # Safety
/// `request` and `result` are null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_peek(
    endpoint: EndpointHandle,
    request: *mut RequestHandle,
    result: *mut u32,
    milliseconds: u32,
) -> Return {
    // SAFETY: promised by the caller.
    unsafe {
        peek("omx_peek", endpoint, (request, result), |endpoint| {
            endpoint.peek(timeout(milliseconds))
        })
    }
}

/// The first unexpected message whose match info fits; it stays.
///
/// # Safety
/// `status` and `result` are null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_iprobe(
    endpoint: EndpointHandle,
    match_info: u64,
    mask: u64,
    status: *mut Status,
    result: *mut u32,
) -> Return {
    // SAFETY: promised by the caller.
    unsafe {
        find("omx_iprobe", endpoint, (status, result), |endpoint| {
            endpoint.iprobe(match_info, mask)
        })
    }
}

/// Waits for an unexpected message whose match info fits; it stays.
///
/// # Safety
/// `status` and `result` are null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_probe(
    endpoint: EndpointHandle,
    match_info: u64,
    mask: u64,
    status: *mut Status,
    result: *mut u32,
    milliseconds: u32,
) -> Return {
    // SAFETY: promised by the caller.
    unsafe {
        find("omx_probe", endpoint, (status, result), |endpoint| {
            endpoint.probe(match_info, mask, timeout(milliseconds))
        })
    }
}

/// Whether the memory of a send may be used again.
///
/// # Safety
/// `request` is valid for a read; `result` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_ibuffered(
    endpoint: EndpointHandle,
    request: *mut RequestHandle,
    result: *mut u32,
) -> Return {
    // SAFETY: promised by the caller; the request is not used up, hence not written.
    unsafe {
        ask(
            "omx_ibuffered",
            endpoint,
            (request, result),
            false,
            Endpoint::ibuffered,
        )
    }
}

/// Takes back a receive that nothing has matched, or a pending connect; then the request is used up.
///
/// # Safety
/// `request` is valid for reads and writes; `result` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_cancel(
    endpoint: EndpointHandle,
    request: *mut RequestHandle,
    result: *mut u32,
) -> Return {
    // SAFETY: promised by the caller.
    unsafe {
        ask(
            "omx_cancel",
            endpoint,
            (request, result),
            true,
            Endpoint::cancel,
        )
    }
}

/// The same, but the request is then done, as cancelled, and still to be tested or waited for.
///
/// # Safety
/// As for [`omx_cancel`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_cancel_notest(
    endpoint: EndpointHandle,
    request: *mut RequestHandle,
    result: *mut u32,
) -> Return {
    // SAFETY: promised by the caller.
    unsafe {
        ask(
            "omx_cancel_notest",
            endpoint,
            (request, result),
            false,
            Endpoint::cancel_told,
        )
    }
}

/// Gives up all interest in a request.
///
/// # Safety
/// `request` is valid for reads and writes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_forget(
    endpoint: EndpointHandle,
    request: *mut RequestHandle,
) -> Return {
    // SAFETY: promised by the caller.
    unsafe {
        ask(
            "omx_forget",
            endpoint,
            (request, null_mut()),
            true,
            |endpoint, request| endpoint.forget(request).map(|()| true),
        )
    }
}

/// The context of a request, whichever endpoint it belongs to.
///
/// # Safety
/// `request` is valid for a read; `context` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_context(
    request: *mut RequestHandle,
    context: *mut *mut c_void,
) -> Return {
    let held = if request.is_null() {
        null_mut()
    } else {
        // SAFETY: not null, hence valid by the caller's promise.
        unsafe { request.read() }
    };
    let found = Handle::context_of(held).map(|word| {
        // SAFETY: promised by the caller.
        unsafe { put(context, with_exposed_provenance_mut(word as usize)) };
    });
    errors::finish(None, "omx_context", found)
}
