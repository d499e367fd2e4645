//! The `mx_*` C API and ABI (api.md §4): the `omx_*` calls with MX's order of arguments, MX's timeouts and MX's codes.
//! Headers: `include/mx/`.
//!
//! Types have the same layouts in both, so a call here hands its pointers on and translates what comes back.

mod codes;
mod completion;
mod endpoint;
mod errors;
mod extensions;
mod info;
mod internals;
mod language;
mod library;
mod messages;
mod raw;

pub use codes::text as strerror;
pub use language::call;

/// `mx_return_t`.
type Return = u32;

/// A timeout as the `omx_*` calls take it. `MX_INFINITE` is 0.
fn timeout(milliseconds: u32) -> u32 {
    match milliseconds {
        0 => u32::MAX,
        milliseconds => milliseconds,
    }
}
