//! MX's error handlers. They are kept where the `omx_*` ones are; in a program that speaks MX they see MX's codes.

use core::ffi::{CStr, c_char};
use core::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Return, codes};
use crate::ffi::errors::{OMX_ERRORS_ARE_FATAL, OMX_ERRORS_RETURN, omx_set_error_handler};
use crate::ffi::types::ErrorHandler;

/// `MX_ERRORS_ARE_FATAL`: says what went wrong and ends the process.
#[unsafe(no_mangle)]
pub static MX_ERRORS_ARE_FATAL: ErrorHandler = OMX_ERRORS_ARE_FATAL;

/// `MX_ERRORS_RETURN`: the code is returned.
#[unsafe(no_mangle)]
pub static MX_ERRORS_RETURN: ErrorHandler = OMX_ERRORS_RETURN;

/// Whether the library was initialised by the MX call.
static SPOKEN: AtomicBool = AtomicBool::new(false);

/// From now on the program's handlers are MX's.
pub fn speak() {
    SPOKEN.store(true, Ordering::Relaxed);
}

/// Calls a handler of the program in its own language: what it returned, as this library's number.
///
/// # Safety
/// `handler` may be called with C strings.
pub unsafe fn call(
    handler: unsafe extern "C" fn(*const c_char, Return) -> Return,
    text: &CStr,
    code: Return,
) -> Return {
    if !SPOKEN.load(Ordering::Relaxed) {
        // SAFETY: promised by the caller.
        return unsafe { handler(text.as_ptr(), code) };
    }
    // The calls have the same names but for the first letter.
    let bytes = text.to_bytes_with_nul();
    let own = bytes
        .strip_prefix(b"o")
        .filter(|rest| rest.starts_with(b"mx_"));
    let text = own
        .and_then(|own| CStr::from_bytes_with_nul(own).ok())
        .unwrap_or(text);
    // SAFETY: promised by the caller.
    codes::from_handler(unsafe { handler(text.as_ptr(), codes::for_handler(code)) })
}

/// Sets the handler of all endpoints that have none of their own; returns it.
#[unsafe(no_mangle)]
pub extern "C" fn mx_set_error_handler(handler: ErrorHandler) -> ErrorHandler {
    omx_set_error_handler(null_mut(), handler);
    handler
}
