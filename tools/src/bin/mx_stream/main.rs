//! `mx_stream`: as many messages as the other side takes, in one direction or both.

#[macro_use]
extern crate omx_output;

mod count;
mod direction;
mod options;
mod plan;
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
        Ok(wrong) => {
            eprintln!("mx_stream: {wrong} bytes were wrong");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("mx_stream: {error}");
            ExitCode::FAILURE
        }
    }
}
