//! The `omx_*` C API and ABI (api.md §2, §3). Names, layouts and numbers are Open-MX's; the header is
//! `include/open-mx.h`.
//!
//! Handles that C code holds (endpoints, requests, addresses) are numbers, looked up at each call: a stale one is an
//! error and no access to freed memory. Pointers that it passes are trusted to be what the header says.

pub(crate) mod address;
pub(crate) mod calls;
pub(crate) mod code_text;
pub(crate) mod completion;
pub(crate) mod endpoint;
pub(crate) mod errors;
pub(crate) mod info;
pub(crate) mod library;
pub(crate) mod messages;
pub(crate) mod places;
pub(crate) mod progress;
pub(crate) mod raw;
pub(crate) mod registry;
pub(crate) mod types;

/// Writes a result where the caller wants it.
///
/// # Safety
/// `place` is null or valid for a write of `T`.
pub(crate) unsafe fn put<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: not null, hence valid by the caller's promise.
        unsafe { place.write(value) };
    }
}

/// A timeout in milliseconds; all bits set is none.
fn timeout(milliseconds: u32) -> Option<std::time::Duration> {
    (milliseconds != u32::MAX).then(|| std::time::Duration::from_millis(milliseconds.into()))
}
