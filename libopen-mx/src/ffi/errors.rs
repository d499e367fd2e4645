//! Error handlers: nearly every failing call passes through one before it returns (api.md §2).

use core::ffi::{CStr, c_char};
use std::cell::RefCell;
use std::ffi::CString;
use std::sync::{PoisonError, RwLock};

use mx_engine::Code;
use mx_ring::heap;
use open_mx::Error;
use open_mx::environment::{self, Speaker};

use super::code_text::c_text;
use super::registry::Handle;
use super::types::{EndpointHandle, ErrorHandler, Return};
use crate::mx;

/// `OMX_ERRORS_ARE_FATAL`: says what went wrong and ends the process.
#[unsafe(no_mangle)]
pub static OMX_ERRORS_ARE_FATAL: ErrorHandler = Some(fatal);

/// `OMX_ERRORS_RETURN`: the code is returned.
#[unsafe(no_mangle)]
pub static OMX_ERRORS_RETURN: ErrorHandler = Some(give_back);

/// Bytes that reading the environment takes, and more.
const ENVIRONMENT: usize = 4 << 10;
/// Bytes of a text that a handler gets, without its NUL.
const TEXT_MAX: usize = 255;

/// The handler of what has none of its own.
struct Global {
    /// The program's choice, which an initialisation does not change.
    chosen: ErrorHandler,
    initialised: bool,
}

static GLOBAL: RwLock<Global> = RwLock::new(Global {
    chosen: None,
    initialised: false,
});

thread_local! {
    /// Of which endpoint the error is that this thread's handler is told.
    static SPEAKER: RefCell<Speaker> = RefCell::default();
}

impl Global {
    fn handler(&self) -> ErrorHandler {
        self.chosen.or_else(|| {
            // What the environment says may have to be read first.
            let lenient = heap::has_room(ENVIRONMENT) && !environment::reporting().errors_are_fatal;
            Some(if lenient { give_back } else { fatal })
        })
    }
}

unsafe extern "C" fn fatal(text: *const c_char, code: Return) -> Return {
    // SAFETY: handlers are called by this library, with C strings; a program that calls it itself owes the same.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    if !heap::has_room(heap::ROOM) {
        eprintln!("{text}: {}", mx::strerror(code).to_string_lossy());
        std::process::exit(-1);
    }
    let reporting = environment::reporting();
    let initialised = GLOBAL
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .initialised;
    let prefix = if initialised {
        SPEAKER.with_borrow(|speaker| reporting.prefix(speaker))
    } else {
        "BeforeInit: ".to_owned()
    };
    eprintln!("{prefix}{text}: {}", mx::strerror(code).to_string_lossy());
    if !reporting.abort_sleep.is_zero() {
        let seconds = reporting.abort_sleep.as_secs();
        eprintln!("{prefix}sleeping {seconds} seconds before the end, for a debugger");
        std::thread::sleep(reporting.abort_sleep);
    }
    std::process::exit(-1)
}

unsafe extern "C" fn give_back(_text: *const c_char, code: Return) -> Return {
    code
}

fn strerror(code: Return) -> &'static CStr {
    Code::from_number(code).map_or(c"Unknown Return Code", c_text)
}

/// Text of a code. An unknown one is also told on standard error.
#[unsafe(no_mangle)]
pub extern "C" fn omx_strerror(code: Return) -> *const c_char {
    if Code::from_number(code).is_none() {
        environment::say(&format!("{code} is no return code"));
    }
    strerror(code).as_ptr()
}

/// Tells whether the library is initialised.
pub fn set_initialised(initialised: bool) {
    GLOBAL
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .initialised = initialised;
}

fn set_global(handler: ErrorHandler) -> ErrorHandler {
    let mut global = GLOBAL.write().unwrap_or_else(PoisonError::into_inner);
    let before = global.handler();
    global.chosen = handler;
    before
}

/// Whether no handler is told: success, and what the program itself has ended.
#[inline]
fn is_no_error(code: Code) -> bool {
    matches!(code, Code::Success | Code::Cancelled)
}

/// Passes an error through the handler of an endpoint, or the global one: what is to be returned.
#[inline]
pub fn handled(endpoint: Option<&Handle>, text: &str, code: Code) -> Return {
    // For an error alone the endpoint's handler is looked up.
    if is_no_error(code) {
        return code as Return;
    }
    handled_by(
        endpoint.and_then(Handle::error_handler),
        endpoint,
        text,
        code,
    )
}

/// The same with a handler that comes before the global one.
#[cold]
fn handled_by(own: ErrorHandler, endpoint: Option<&Handle>, text: &str, code: Code) -> Return {
    if is_no_error(code) {
        return code as Return;
    }
    let Some(handler) = own.or_else(global_handler) else {
        return code as Return;
    };
    let text = bounded(text);
    let speaker = endpoint.map(Handle::speaker).unwrap_or_default();
    let before = SPEAKER.replace(speaker);
    // SAFETY: the program gave a function of this type, and the text is a C string.
    let returned = unsafe { mx::call(handler, &text, code as Return) };
    SPEAKER.set(before);
    returned
}

/// The same where nothing can be allocated, not even a text.
pub fn without_memory(own: ErrorHandler, text: &'static CStr) -> Return {
    let code = Code::NoSystemResources as Return;
    match own.or_else(global_handler) {
        // SAFETY: the program gave a function of this type, and the text is a C string.
        Some(handler) => unsafe { mx::call(handler, text, code) },
        None => code,
    }
}

fn global_handler() -> ErrorHandler {
    let global = GLOBAL.read().unwrap_or_else(PoisonError::into_inner);
    global.handler()
}

fn bounded(text: &str) -> CString {
    let end = text.floor_char_boundary(TEXT_MAX.min(text.len()));
    let bytes: Vec<u8> = text.bytes().take(end).filter(|byte| *byte != 0).collect();
    CString::new(bytes).unwrap_or_default()
}

/// The same for a call's result: its text names the cause.
#[inline(always)]
pub fn finish(endpoint: Option<&Handle>, call: &str, result: Result<(), Error>) -> Return {
    match result {
        Ok(()) => Code::Success as Return,
        Err(error) => failed(
            endpoint.and_then(Handle::error_handler),
            endpoint,
            call,
            &error,
        ),
    }
}

/// The same with a handler that comes before the global one.
pub fn finish_by(
    own: ErrorHandler,
    endpoint: Option<&Handle>,
    call: &str,
    result: Result<(), Error>,
) -> Return {
    match result {
        Ok(()) => Code::Success as Return,
        Err(error) => failed(own, endpoint, call, &error),
    }
}

#[cold]
fn failed(own: ErrorHandler, endpoint: Option<&Handle>, call: &str, error: &Error) -> Return {
    let text = format!("{call}: {}", error.cause());
    handled_by(own, endpoint, &text, error.code())
}

/// Sets the handler of an endpoint, or the global one; returns the one before. None is the library's own choice.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_at_most_255_bytes_and_ends_between_characters() {
        let long = format!("{}ö{}", "x".repeat(254), "y".repeat(50));
        assert_eq!(bounded(&long).as_bytes(), "x".repeat(254).as_bytes());
        assert_eq!(bounded("a\0b").as_bytes(), b"ab");
    }
}
