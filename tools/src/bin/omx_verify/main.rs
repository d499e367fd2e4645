//! `omx_verify`: messages there and back whose every byte is checked on both sides.

#[macro_use]
extern crate omx_output;

mod options;
mod pattern;
mod run;

use std::process::ExitCode;

use omx_tools::ToolOptions;
use options::{Choice, USAGE};

fn main() -> ExitCode {
    let choice = match Choice::from_options(ToolOptions::of_process()) {
        Ok(choice) => choice,
        Err(usage) => return usage.explain(USAGE),
    };
    match run::run(&choice) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("omx_verify: {error}");
            ExitCode::FAILURE
        }
    }
}
