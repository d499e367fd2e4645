//! Sends and receives.

use core::ffi::c_void;
use core::ptr::NonNull;

use mx_engine::Memory;
use mx_ring::VolatileSlice;
use open_mx::{Error, Request};

use super::calls::on;
use super::put;
use super::registry::Handle;
use super::types::{EndpointAddress, EndpointHandle, RequestHandle, Return, Segment};

/// `OMX_MAX_SEGMENTS`.
const SEGMENTS_MAX: u32 = 256;

/// A span of the program's memory.
///
/// # Safety
/// `pointer` names `length` bytes that stay mapped, and are left alone, until the request is done; or `length` is 0.
unsafe fn span(pointer: *mut c_void, length: u32) -> Result<VolatileSlice, Error> {
    let base = NonNull::new(pointer.cast::<u8>());
    let base = match (base, length) {
        (_, 0) => NonNull::dangling(),
        (Some(base), _) => base,
        (None, _) => return Err(Error::Memory),
    };
    // SAFETY: promised by the caller; no words are used in this slice, only bytes.
    Ok(unsafe { VolatileSlice::new(base, length as usize) })
}

/// # Safety
/// As for [`span`].
unsafe fn single(pointer: *mut c_void, length: usize) -> Result<Memory, Error> {
    let length = u32::try_from(length).map_err(|_| Error::Length)?;
    // SAFETY: promised by the caller.
    let span = unsafe { span(pointer, length) }?;
    Memory::new(span).map_err(|_| Error::Length)
}

/// # Safety
/// `segments` names `count` segments, each as for [`span`].
unsafe fn several(segments: *const Segment, count: u32) -> Result<Memory, Error> {
    if count > SEGMENTS_MAX {
        return Err(Error::Segments(count));
    }
    if segments.is_null() && count > 0 {
        return Err(Error::Memory);
    }
    let mut spans = Vec::new();
    let reserved = spans.try_reserve_exact(count as usize);
    reserved.map_err(|_| Error::NO_MEMORY)?;
    for index in 0..count as usize {
        // SAFETY: the caller names `count` segments.
        let segment = unsafe { segments.add(index).read() };
        // SAFETY: promised by the caller.
        spans.push(unsafe { span(segment.pointer, segment.length) }?);
    }
    Memory::several(spans.into()).map_err(|_| Error::Length)
}

/// A pointer of the program's as the word of a request.
pub fn word(context: *mut c_void) -> u64 {
    context.expose_provenance() as u64
}

/// Starts a request and hands it over; without a place for it, it is forgotten.
///
/// # Safety
/// `place` is null or valid for a write.
pub unsafe fn start(
    call: &str,
    endpoint: EndpointHandle,
    place: *mut RequestHandle,
    begin: impl FnOnce(&Handle) -> Result<Request, Error>,
) -> Return {
    on(endpoint, call, |handle| {
        let started = begin(handle)?;
        if place.is_null() {
            return handle.endpoint().forget(started);
        }
        // SAFETY: promised by the caller.
        unsafe { put(place, handle.request_handle(started)) };
        Ok(())
    })
}

/// Declares sends: what they read, how they read it, by which call, and whether they are synchronous.
macro_rules! sends {
    ($(
        $(#[$doc:meta])*
        fn $name:ident($spans:ident: $pointer:ty, $size:ident: $number:ty) = $memory:ident, $isend:ident, $synchronous:literal;
    )*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// Until the request is done, the caller's memory stays and is left alone; `request` is null or valid for a write.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            endpoint: EndpointHandle,
            $spans: $pointer,
            $size: $number,
            to: EndpointAddress,
            match_info: u64,
            context: *mut c_void,
            request: *mut RequestHandle,
        ) -> Return {
            // SAFETY: promised by the caller.
            unsafe {
                start(stringify!($name), endpoint, request, |handle| {
                    let (memory, to) = ($memory($spans, $size)?, handle.partner(to)?);
                    handle.endpoint().$isend(memory, to, match_info, word(context), $synchronous)
                })
            }
        }
    )*};
}

/// Declares receives likewise.
macro_rules! receives {
    ($(
        $(#[$doc:meta])*
        fn $name:ident($spans:ident: $pointer:ty, $size:ident: $number:ty) = $memory:ident, $irecv:ident;
    )*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// Until the request is done, the caller's memory stays and is left alone; `request` is null or valid for a write.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            endpoint: EndpointHandle,
            $spans: $pointer,
            $size: $number,
            match_info: u64,
            mask: u64,
            context: *mut c_void,
            request: *mut RequestHandle,
        ) -> Return {
            // SAFETY: promised by the caller.
            unsafe {
                start(stringify!($name), endpoint, request, |handle| {
                    let memory = $memory($spans, $size)?;
                    handle.endpoint().$irecv(memory, match_info, mask, None, word(context))
                })
            }
        }
    )*};
}

sends! {
    /// Starts a send of the `length` bytes at `buffer`.
    fn omx_isend(buffer: *mut c_void, length: usize) = single, isend_here, false;
    /// Starts a send of `count` segments.
    fn omx_isendv(segments: *const Segment, count: u32) = several, isend, false;
    /// Starts a synchronous send of the `length` bytes at `buffer`.
    fn omx_issend(buffer: *mut c_void, length: usize) = single, isend, true;
    /// Starts a synchronous send of `count` segments.
    fn omx_issendv(segments: *const Segment, count: u32) = several, isend, true;
}

receives! {
    /// Starts a receive into the `length` bytes at `buffer`.
    fn omx_irecv(buffer: *mut c_void, length: usize) = single, irecv_here;
    /// Starts a receive into `count` segments.
    fn omx_irecvv(segments: *const Segment, count: u32) = several, irecv_from;
}
