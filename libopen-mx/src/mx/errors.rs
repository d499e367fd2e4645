//! MX's error handlers. They are kept where the `omx_*` ones are.

use core::ptr::null_mut;

use crate::ffi::errors::{OMX_ERRORS_ARE_FATAL, OMX_ERRORS_RETURN, omx_set_error_handler};
use crate::ffi::types::ErrorHandler;

/// `MX_ERRORS_ARE_FATAL`: says what went wrong and ends the process.
#[unsafe(no_mangle)]
pub static MX_ERRORS_ARE_FATAL: ErrorHandler = OMX_ERRORS_ARE_FATAL;

/// `MX_ERRORS_RETURN`: the code is returned.
#[unsafe(no_mangle)]
pub static MX_ERRORS_RETURN: ErrorHandler = OMX_ERRORS_RETURN;

/// Sets the handler of all endpoints that have none of their own; returns it.
#[unsafe(no_mangle)]
pub extern "C" fn mx_set_error_handler(handler: ErrorHandler) -> ErrorHandler {
    omx_set_error_handler(null_mut(), handler);
    handler
}
