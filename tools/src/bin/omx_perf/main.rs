//! `omx_perf`: ping-pong between two endpoints, compatible with Open-MX's own on the wire.

#[macro_use]
extern crate omx_output;

mod options;
mod parameters;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    run::main("omx_perf")
}
