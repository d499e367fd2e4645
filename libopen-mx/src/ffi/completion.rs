//! Completion of requests: test, wait, peek, probe, cancel, forget.

use core::ffi::c_void;
use core::ptr::{null_mut, with_exposed_provenance_mut};

use super::registry::{Handle, on};
use super::types::{EndpointHandle, RequestHandle, Return, Status};
use super::{put, timeout};
use crate::endpoint;

/// Tells what was found: status and 1, or 0.
///
/// # Safety
/// `status` and `result` are null or valid for a write.
unsafe fn tell(
    handle: &Handle,
    found: Option<endpoint::Status>,
    status: *mut Status,
    result: *mut u32,
) {
    // SAFETY: promised by the caller.
    unsafe {
        if let Some(found) = &found {
            put(status, handle.status(found));
        }
        put(result, found.is_some().into());
    }
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
    on(endpoint, c"omx_test", |handle| {
        // SAFETY: promised by the caller.
        unsafe {
            let found = handle.endpoint().test(handle.named(request)?)?;
            if found.is_some() {
                put(request, null_mut());
            }
            tell(handle, found, status, result);
        }
        Ok(())
    })
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
    on(endpoint, c"omx_wait", |handle| {
        // SAFETY: promised by the caller.
        unsafe {
            let found = handle
                .endpoint()
                .wait(handle.named(request)?, timeout(milliseconds))?;
            if found.is_some() {
                put(request, null_mut());
            }
            tell(handle, found, status, result);
        }
        Ok(())
    })
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
    on(endpoint, c"omx_test_any", |handle| {
        let found = handle.endpoint().test_any(match_info, mask)?;
        // SAFETY: promised by the caller.
        unsafe { tell(handle, found, status, result) };
        Ok(())
    })
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
    on(endpoint, c"omx_wait_any", |handle| {
        let found = handle
            .endpoint()
            .wait_any(match_info, mask, timeout(milliseconds))?;
        // SAFETY: promised by the caller.
        unsafe { tell(handle, found, status, result) };
        Ok(())
    })
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
    on(endpoint, c"omx_ipeek", |handle| {
        let found = handle.endpoint().ipeek()?;
        // SAFETY: promised by the caller.
        unsafe { tell_request(handle, found, request, result) };
        Ok(())
    })
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
    on(endpoint, c"omx_peek", |handle| {
        let found = handle.endpoint().peek(timeout(milliseconds))?;
        // SAFETY: promised by the caller.
        unsafe { tell_request(handle, found, request, result) };
        Ok(())
    })
}

/// # Safety
/// `request` and `result` are null or valid for a write.
unsafe fn tell_request(
    handle: &Handle,
    found: Option<endpoint::Request>,
    request: *mut RequestHandle,
    result: *mut u32,
) {
    // SAFETY: promised by the caller.
    unsafe {
        if let Some(found) = found {
            put(request, handle.request_handle(found));
        }
        put(result, found.is_some().into());
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
    on(endpoint, c"omx_iprobe", |handle| {
        let found = handle.endpoint().iprobe(match_info, mask)?;
        // SAFETY: promised by the caller.
        unsafe { tell(handle, found, status, result) };
        Ok(())
    })
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
    on(endpoint, c"omx_probe", |handle| {
        let found = handle
            .endpoint()
            .probe(match_info, mask, timeout(milliseconds))?;
        // SAFETY: promised by the caller.
        unsafe { tell(handle, found, status, result) };
        Ok(())
    })
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
    on(endpoint, c"omx_ibuffered", |handle| {
        // SAFETY: promised by the caller.
        unsafe {
            let buffered = handle.endpoint().ibuffered(handle.named(request)?)?;
            put(result, buffered.into());
        }
        Ok(())
    })
}

/// Takes back a receive that nothing has matched, or a pending connect.
///
/// # Safety
/// `request` is valid for reads and writes; `result` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_cancel(
    endpoint: EndpointHandle,
    request: *mut RequestHandle,
    result: *mut u32,
) -> Return {
    on(endpoint, c"omx_cancel", |handle| {
        // SAFETY: promised by the caller.
        unsafe {
            let cancelled = handle.endpoint().cancel(handle.named(request)?)?;
            if cancelled {
                put(request, null_mut());
            }
            put(result, cancelled.into());
        }
        Ok(())
    })
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
    on(endpoint, c"omx_forget", |handle| {
        // SAFETY: promised by the caller.
        unsafe {
            handle.endpoint().forget(handle.named(request)?)?;
            put(request, null_mut());
        }
        Ok(())
    })
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
    // SAFETY: promised by the caller.
    let found = unsafe { Handle::context_of(request) };
    super::errors::finish(
        None,
        c"omx_context",
        found.map(|word| {
            // SAFETY: promised by the caller.
            unsafe { put(context, with_exposed_provenance_mut(word as usize)) };
        }),
    )
}
