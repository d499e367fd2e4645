//! Error handlers: nearly every failing call passes through one before it returns (api.md §2).

use core::ffi::{CStr, c_char};
use std::sync::{PoisonError, RwLock};

use super::registry::Handle;
use super::types::{EndpointHandle, ErrorHandler, Return};
use crate::code::Code;
use crate::error::Error;

/// `OMX_ERRORS_ARE_FATAL`: says what went wrong and ends the process.
#[unsafe(no_mangle)]
pub static OMX_ERRORS_ARE_FATAL: ErrorHandler = Some(fatal);

/// `OMX_ERRORS_RETURN`: the code is returned.
#[unsafe(no_mangle)]
pub static OMX_ERRORS_RETURN: ErrorHandler = Some(give_back);

/// The handler of what has none of its own. None: the library is not initialised.
static GLOBAL: RwLock<ErrorHandler> = RwLock::new(None);

unsafe extern "C" fn fatal(text: *const c_char, code: Return) -> Return {
    // SAFETY: handlers are called by this library, with C strings; a program that calls it itself owes the same.
    let text = unsafe { CStr::from_ptr(text) };
    eprintln!(
        "OMX: {}: {}",
        text.to_string_lossy(),
        strerror(code).to_string_lossy()
    );
    std::process::exit(-1)
}

unsafe extern "C" fn give_back(_text: *const c_char, code: Return) -> Return {
    code
}

fn strerror(code: Return) -> &'static CStr {
    Code::from_number(code).map_or(c"Unknown Return Code", Code::c_text)
}

/// Text of a code.
#[unsafe(no_mangle)]
pub extern "C" fn omx_strerror(code: Return) -> *const c_char {
    strerror(code).as_ptr()
}

/// What the environment wants, when the library is initialised.
pub fn initialise() {
    let lenient = std::env::var_os("OMX_FATAL_ERRORS").is_some_and(|value| value == "0");
    set_global(if lenient {
        Some(give_back)
    } else {
        Some(fatal)
    });
}

fn set_global(handler: ErrorHandler) -> ErrorHandler {
    let mut global = GLOBAL.write().unwrap_or_else(PoisonError::into_inner);
    std::mem::replace(&mut *global, handler)
}

/// Passes an error through the handler of an endpoint, or the global one: what is to be returned.
pub fn handled(endpoint: Option<&Handle>, text: &CStr, code: Code) -> Return {
    if code == Code::Success {
        return code as Return;
    }
    let own = endpoint.and_then(|endpoint| endpoint.error_handler());
    let global = *GLOBAL.read().unwrap_or_else(PoisonError::into_inner);
    match own.or(global) {
        // SAFETY: the program gave a function of this type, and the text is a C string.
        Some(handler) => unsafe { handler(text.as_ptr(), code as Return) },
        None => {
            eprintln!("BeforeInit: {}: {code}", text.to_string_lossy());
            std::process::exit(-1)
        }
    }
}

/// The same for a call's result: its text names the cause.
pub fn finish(endpoint: Option<&Handle>, call: &CStr, result: Result<(), Error>) -> Return {
    match result {
        Ok(()) => Code::Success as Return,
        Err(error) => {
            let text = format!("{}: {error}", call.to_string_lossy());
            let text = std::ffi::CString::new(text).unwrap_or_else(|_| call.into());
            handled(endpoint, &text, error.code())
        }
    }
}

/// Sets the handler of an endpoint, or the global one; returns the one before.
#[unsafe(no_mangle)]
pub extern "C" fn omx_set_error_handler(
    endpoint: EndpointHandle,
    handler: ErrorHandler,
) -> ErrorHandler {
    if endpoint.is_null() {
        return set_global(handler);
    }
    Handle::find(endpoint).and_then(|endpoint| endpoint.set_error_handler(handler))
}
