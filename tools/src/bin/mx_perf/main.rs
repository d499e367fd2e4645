//! `mx_perf`: `omx_perf` under the name that users of MX look for.

#[macro_use]
extern crate omx_output;

#[path = "../omx_perf/options.rs"]
mod options;
#[path = "../omx_perf/parameters.rs"]
mod parameters;
#[path = "../omx_perf/run.rs"]
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    run::main("mx_perf")
}
