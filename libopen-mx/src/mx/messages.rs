//! Sends and receives: always with segments.

use core::ffi::c_void;

use super::Return;
use super::codes::returned;
use crate::ffi::messages::{omx_irecv, omx_irecvv, omx_isend, omx_isendv, omx_issend, omx_issendv};
use crate::ffi::types::{EndpointAddress, EndpointHandle, RequestHandle, Segment};

/// The only segment there is, or nothing: one span need not be gathered.
///
/// # Safety
/// `segments` names `count` segments.
unsafe fn only(segments: *const Segment, count: u32) -> Option<Segment> {
    // SAFETY: there is one, by the caller's promise.
    (count == 1).then(|| unsafe { segments.read() })
}

/// The two kinds of sends.
macro_rules! sends {
    ($($name:ident $one:ident $several:ident $what:literal)*) => {$(
        #[doc = concat!("Starts a ", $what, "send.")]
        ///
        /// # Safety
        #[doc = concat!("As for [`", stringify!($several), "`].")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            endpoint: EndpointHandle,
            segments: *const Segment,
            count: u32,
            to: EndpointAddress,
            match_info: u64,
            context: *mut c_void,
            request: *mut RequestHandle,
        ) -> Return {
            // SAFETY: promised by the caller.
            returned(unsafe {
                match only(segments, count) {
                    Some(Segment { pointer, length }) => {
                        $one(endpoint, pointer, length as usize, to, match_info, context, request)
                    }
                    None => $several(endpoint, segments, count, to, match_info, context, request),
                }
            })
        }
    )*};
}

sends! {
    mx_isend omx_isend omx_isendv ""
    mx_issend omx_issend omx_issendv "synchronous "
}

/// Starts a receive.
///
/// # Safety
/// As for [`omx_irecvv`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mx_irecv(
    endpoint: EndpointHandle,
    segments: *const Segment,
    count: u32,
    match_info: u64,
    mask: u64,
    context: *mut c_void,
    request: *mut RequestHandle,
) -> Return {
    // SAFETY: promised by the caller.
    returned(unsafe {
        match only(segments, count) {
            Some(Segment { pointer, length }) => omx_irecv(
                endpoint,
                pointer,
                length as usize,
                match_info,
                mask,
                context,
                request,
            ),
            None => omx_irecvv(
                endpoint, segments, count, match_info, mask, context, request,
            ),
        }
    })
}
