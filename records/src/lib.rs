#![no_std]
#![forbid(unsafe_code)]
//! Records of what happens to messages, for crates that run without an operating system, too.
//!
//! [`record!`] takes the name of a level (`error`, `warn`, `info`, `debug`, `trace`) and a text as `format!` does. With the
//! feature `trace` it is an event of the crate `tracing`, which costs a look at one word unless somebody listens. Without it
//! there is no code and no dependency: the text is checked by the compiler and thrown away. What the text needs is to be
//! worked out within the call, so that it is thrown away, too.
//!
//! Every text about a message names it as a capture does, `session <receiver's>, seq <number>`: the same words find it in the
//! records of the sender, of the boards between, and of the receiver.

#[cfg(feature = "trace")]
#[doc(hidden)]
pub use tracing;

/// Tells something, if the build has records.
#[cfg(feature = "trace")]
#[macro_export]
macro_rules! record {
    ($level:ident, $($text:tt)+) => {
        $crate::tracing::$level!($($text)+)
    };
}

/// Tells something, if the build has records: this one has none.
#[cfg(not(feature = "trace"))]
#[macro_export]
macro_rules! record {
    ($level:ident, $($text:tt)+) => {
        if false {
            let _ = ::core::format_args!($($text)+);
        }
    };
}
