//! `omx_perf`: ping-pong between two endpoints, compatible with Open-MX's own on the wire.

#[macro_use]
extern crate omx_output;

mod options;
mod parameters;
mod run;

use std::process::ExitCode;

use open_mx::tool::Options;
use options::{Choice, USAGE};

fn main() -> ExitCode {
    let choice = match Choice::from_options(Options::of_process()) {
        Ok(choice) => choice,
        Err(usage) => return usage.explain(USAGE),
    };
    match run::run(&choice) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("omx_perf: {error}");
            ExitCode::FAILURE
        }
    }
}
