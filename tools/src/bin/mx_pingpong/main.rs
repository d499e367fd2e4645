//! `mx_pingpong`: messages there and back, by their lengths.

#[macro_use]
extern crate omx_output;

mod lengths;
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
    let file = choice.file.as_deref().map(lengths::read).transpose();
    let wrong = file.map_err(|error| error.to_string()).and_then(|file| {
        let wrong = run::run(&choice.heeding(file.as_deref()), file.as_deref());
        wrong.map_err(|error| error.to_string())
    });
    match wrong {
        Ok(0) => ExitCode::SUCCESS,
        Ok(wrong) => {
            eprintln!("mx_pingpong: {wrong} bytes were wrong");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("mx_pingpong: {error}");
            ExitCode::FAILURE
        }
    }
}
