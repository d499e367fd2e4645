//! The `mx_*` C API and ABI (api.md §4): the `omx_*` calls with MX's order of arguments, MX's timeouts and MX's codes.
//! Headers: `include/mx/`.
//!
//! Types have the same layouts in both, so a call here hands its pointers on and translates what comes back.

/// Declares calls that are an `omx_*` call but for the order of their arguments, MX's timeouts, and MX's codes: each is
/// `fn NAME(ARGUMENTS) = NATIVE(WHAT IT IS GIVEN);`.
macro_rules! calls {
    ($(
        $(#[$doc:meta])*
        fn $name:ident($($argument:ident: $type:ty),* $(,)?) = $native:ident($($given:expr),* $(,)?);
    )*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        #[doc = concat!("As for [`", stringify!($native), "`].")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $type),*) -> Return {
            // SAFETY: promised by the caller.
            returned(unsafe { $native($($given),*) })
        }
    )*};
}

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
