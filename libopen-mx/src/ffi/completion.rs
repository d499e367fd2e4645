//! Completion of requests: test, wait, peek, probe, cancel, forget.
//!
//! The calls have five shapes, each of which is one function; the calls themselves are a table.

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

/// A call that asks something about a request, which stays.
///
/// # Safety
/// `request` is valid for a read; `result` is null or valid for a write.
unsafe fn ask(
    call: &str,
    endpoint: EndpointHandle,
    (request, result): (*mut RequestHandle, *mut u32),
    question: impl FnOnce(&Endpoint, Request) -> Result<bool, Error>,
) -> Return {
    on(endpoint, call, |handle| {
        // SAFETY: promised by the caller.
        unsafe {
            let answer = question(handle.endpoint(), handle.named(request)?)?;
            put(result, answer.into());
        }
        Ok(())
    })
}

/// A call that ends a request, if it can: then it is used up.
///
/// # Safety
/// `request` is valid for reads and writes; `result` is null or valid for a write.
unsafe fn end(
    call: &str,
    endpoint: EndpointHandle,
    (request, result): (*mut RequestHandle, *mut u32),
    end: impl FnOnce(&Endpoint, Request) -> Result<bool, Error>,
) -> Return {
    // SAFETY: promised by the caller.
    unsafe {
        ask(call, endpoint, (request, result), |endpoint, named| {
            end(endpoint, named).inspect(|is_ended| {
                if *is_ended {
                    put(request, null_mut());
                }
            })
        })
    }
}

/// Declares calls of one of these shapes: `SHAPE fn NAME(ENDPOINT, ARGUMENTS): (PLACES) = WHAT IS LOOKED FOR;`.
macro_rules! calls {
    ($(
        $(#[$doc:meta])*
        $shape:ident fn $name:ident($endpoint:ident, $($argument:ident: $type:ty),* $(,)?):
            $places:tt = $look:expr;
    )*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($endpoint: EndpointHandle, $($argument: $type),*) -> Return {
            // SAFETY: promised by the caller.
            unsafe { $shape(stringify!($name), $endpoint, $places, $look) }
        }
    )*};
}

/// Whether a request is done; then it is used up. Of all calls it is the one that a program that polls repeats: what it finds is
/// written where the caller wants it, and nowhere in between.
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
    on(endpoint, "omx_test", |handle| {
        // SAFETY: promised by the caller.
        unsafe {
            let named = handle.named(request)?;
            let done = handle.endpoint().test_then(named, |found| {
                put(request, null_mut());
                put(status, handle.status(&found));
            })?;
            put(result, done.into());
        }
        Ok(())
    })
}

calls! {
    /// Waits for a request; when it is done it is used up.
    ///
    /// # Safety
    /// As for [`omx_test`].
    consume fn omx_wait(
        endpoint, request: *mut RequestHandle, status: *mut Status, result: *mut u32, milliseconds: u32,
    ): (request, status, result) = |endpoint, request| endpoint.wait(request, timeout(milliseconds));

    /// The first done request whose match info fits; it is used up.
    ///
    /// # Safety
    /// `status` and `result` are null or valid for a write.
    find fn omx_test_any(
        endpoint, match_info: u64, mask: u64, status: *mut Status, result: *mut u32,
    ): (status, result) = |endpoint| endpoint.test_any(match_info, mask);

    /// Waits for a done request whose match info fits; it is used up.
    ///
    /// # Safety
    /// `status` and `result` are null or valid for a write.
    find fn omx_wait_any(
        endpoint, match_info: u64, mask: u64, status: *mut Status, result: *mut u32, milliseconds: u32,
    ): (status, result) = |endpoint| endpoint.wait_any(match_info, mask, timeout(milliseconds));

    /// The first unexpected message whose match info fits; it stays.
    ///
    /// # Safety
    /// `status` and `result` are null or valid for a write.
    find fn omx_iprobe(
        endpoint, match_info: u64, mask: u64, status: *mut Status, result: *mut u32,
    ): (status, result) = |endpoint| endpoint.iprobe(match_info, mask);

    /// Waits for an unexpected message whose match info fits; it stays.
    ///
    /// # Safety
    /// `status` and `result` are null or valid for a write.
    find fn omx_probe(
        endpoint, match_info: u64, mask: u64, status: *mut Status, result: *mut u32, milliseconds: u32,
    ): (status, result) = |endpoint| endpoint.probe(match_info, mask, timeout(milliseconds));

    /// The first done request, which stays.
    ///
    /// # Safety
    /// `request` and `result` are null or valid for a write.
    peek fn omx_ipeek(
        endpoint, request: *mut RequestHandle, result: *mut u32,
    ): (request, result) = Endpoint::ipeek;

    /// Waits for a done request, which stays.
    ///
    /// # Safety
    /// `request` and `result` are null or valid for a write.
    peek fn omx_peek(
        endpoint, request: *mut RequestHandle, result: *mut u32, milliseconds: u32,
    ): (request, result) = |endpoint| endpoint.peek(timeout(milliseconds));

    /// Whether the memory of a send may be used again.
    ///
    /// # Safety
    /// `request` is valid for a read; `result` is null or valid for a write.
    ask fn omx_ibuffered(
        endpoint, request: *mut RequestHandle, result: *mut u32,
    ): (request, result) = Endpoint::ibuffered;

    /// Takes back a receive that nothing has matched, or a pending connect; then the request is used up.
    ///
    /// # Safety
    /// `request` is valid for reads and writes; `result` is null or valid for a write.
    end fn omx_cancel(
        endpoint, request: *mut RequestHandle, result: *mut u32,
    ): (request, result) = Endpoint::cancel;

    /// The same, but the request is then done, as cancelled, and still to be tested or waited for.
    ///
    /// # Safety
    /// As for [`omx_cancel`].
    ask fn omx_cancel_notest(
        endpoint, request: *mut RequestHandle, result: *mut u32,
    ): (request, result) = Endpoint::cancel_told;

    /// Gives up all interest in a request.
    ///
    /// # Safety
    /// `request` is valid for reads and writes.
    end fn omx_forget(
        endpoint, request: *mut RequestHandle,
    ): (request, null_mut()) = |endpoint, request| endpoint.forget(request).map(|()| true);
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
