#![forbid(unsafe_code)]
//! Fuzz targets for each thing that is read from a frame, a descriptor, an event, a call or xenstore.
//!
//! A [`Target`] is a function of bytes that must not panic, hang or take beyond its bounds, whatever the bytes are. It says
//! what kind of behaviour the bytes have caused, and [`run`] keeps bytes that caused a new kind, to change them further: a
//! search by behaviour instead of by branches, so that it needs no instrumented build and runs on stable Rust. The tests
//! of this crate run each target for a moment; `cargo lab fuzz` for as long as one likes.
//!
//! It refuses to know what right answers are: the other tests do.

mod corpus;
mod input;
mod search;
mod targets;

pub use search::{Budget, Failure, Progress, check, run};
pub use targets::{TARGETS, Target};

// Where the module's tests have them.
use targets::module::{guest, model, ordered, sync};
