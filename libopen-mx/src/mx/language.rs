//! Which calls the program speaks: where it speaks MX, its error handlers see MX's codes.

use core::ffi::{CStr, c_char};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Return, codes};

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
