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

/// Hands a started request over; without a place for it, it is forgotten.
///
/// # Safety
/// `place` is null or valid for a write.
pub unsafe fn hand_over(
    handle: &Handle,
    started: Request,
    place: *mut RequestHandle,
) -> Result<(), Error> {
    if place.is_null() {
        return handle.endpoint().forget(started);
    }
    // SAFETY: promised by the caller.
    unsafe { put(place, handle.request_handle(started)) };
    Ok(())
}

macro_rules! sends {
    ($($one:ident $many:ident $synchronous:literal $what:literal)*) => {$(
        #[doc = concat!("Starts a ", $what, "send of one span.")]
        ///
        /// # Safety
        /// `buffer` names `length` bytes until the request is done; `request` is null or valid for a write.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $one(
            endpoint: EndpointHandle,
            buffer: *mut c_void,
            length: usize,
            to: EndpointAddress,
            match_info: u64,
            context: *mut c_void,
            request: *mut RequestHandle,
        ) -> Return {
            on(endpoint, stringify!($one), |handle| {
                // SAFETY: promised by the caller.
                let memory = unsafe { single(buffer, length) }?;
                let context = context.expose_provenance() as u64;
                let to = handle.partner(to)?;
                let started =
                    handle.endpoint().isend(memory, to, match_info, context, $synchronous)?;
                // SAFETY: promised by the caller.
                unsafe { hand_over(handle, started, request) }
            })
        }

        #[doc = concat!("Starts a ", $what, "send of several spans.")]
        ///
        /// # Safety
        /// `segments` names `count` segments, and each of them its bytes until the request is done; `request` is null
        /// or valid for a write.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $many(
            endpoint: EndpointHandle,
            segments: *const Segment,
            count: u32,
            to: EndpointAddress,
            match_info: u64,
            context: *mut c_void,
            request: *mut RequestHandle,
        ) -> Return {
            on(endpoint, stringify!($many), |handle| {
                // SAFETY: promised by the caller.
                let memory = unsafe { several(segments, count) }?;
                let context = context.expose_provenance() as u64;
                let to = handle.partner(to)?;
                let started =
                    handle.endpoint().isend(memory, to, match_info, context, $synchronous)?;
                // SAFETY: promised by the caller.
                unsafe { hand_over(handle, started, request) }
            })
        }
    )*};
}

sends! {
    omx_isend omx_isendv false ""
    omx_issend omx_issendv true "synchronous "
}

/// Starts a receive into one span.
///
/// # Safety
/// `buffer` names `length` writable bytes until the request is done; `request` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_irecv(
    endpoint: EndpointHandle,
    buffer: *mut c_void,
    length: usize,
    match_info: u64,
    mask: u64,
    context: *mut c_void,
    request: *mut RequestHandle,
) -> Return {
    on(endpoint, "omx_irecv", |handle| {
        // SAFETY: promised by the caller.
        let memory = unsafe { single(buffer, length) }?;
        let context = context.expose_provenance() as u64;
        let started = handle.endpoint().irecv(memory, match_info, mask, context)?;
        // SAFETY: promised by the caller.
        unsafe { hand_over(handle, started, request) }
    })
}

/// Starts a receive into several spans.
///
/// # Safety
/// `segments` names `count` segments, and each of them its writable bytes until the request is done; `request` is null
/// or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_irecvv(
    endpoint: EndpointHandle,
    segments: *const Segment,
    count: u32,
    match_info: u64,
    mask: u64,
    context: *mut c_void,
    request: *mut RequestHandle,
) -> Return {
    on(endpoint, "omx_irecvv", |handle| {
        // SAFETY: promised by the caller.
        let memory = unsafe { several(segments, count) }?;
        let context = context.expose_provenance() as u64;
        let started = handle.endpoint().irecv(memory, match_info, mask, context)?;
        // SAFETY: promised by the caller.
        unsafe { hand_over(handle, started, request) }
    })
}
