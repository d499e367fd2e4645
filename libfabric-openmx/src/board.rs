//! A domain's name is its board's number.

use core::ffi::c_char;
use std::ffi::CStr;

use crate::abi::info::DomainAttributes;

/// What stands before the number.
const PREFIX: &str = "omx";

/// The name of a board's domain.
pub fn name(board: u32) -> String {
    format!("{PREFIX}{board}")
}

/// The board of that domain; nothing for a name that is no board's.
///
/// # Safety
/// The name is null or a C string.
pub unsafe fn number(attributes: &DomainAttributes) -> Option<u32> {
    // SAFETY: promised by the caller.
    let name = unsafe { text(attributes.name) }?;
    name.strip_prefix(PREFIX)?.parse().ok()
}

/// The text of a C string that may be missing.
///
/// # Safety
/// It is null or a C string that stays for as long as `'a`.
pub unsafe fn text<'a>(string: *const c_char) -> Option<&'a str> {
    if string.is_null() {
        return None;
    }
    // SAFETY: promised by the caller.
    unsafe { CStr::from_ptr(string) }.to_str().ok()
}
