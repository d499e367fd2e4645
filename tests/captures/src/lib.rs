#![forbid(unsafe_code)]
//! Holds captures of real Open-MX nodes against `mx-wire`.
//!
//! Every frame must parse, every PULL_REPLY must be one that a PULL of the same capture asked for, and building each
//! frame again from its parsed values must give the same bytes, but for what the original leaves uninitialised: a
//! list of fields by name. The tests of `mx-wire` and `cargo lab captures` use it. It refuses to judge the order of
//! frames: what a message means is not the format's affair.

mod compare;
mod pcap;
mod pulls;
mod report;
mod uninitialised;

pub use pcap::{Frames, PcapError};
pub use report::{
    CaptureError, CaptureFile, FileReport, Problem, capture_files, check_directory, check_file,
    complete_set, format_named,
};
