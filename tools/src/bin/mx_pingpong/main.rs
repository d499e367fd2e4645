//! `mx_pingpong`: messages there and back, by their lengths.

#[macro_use]
extern crate omx_output;

mod lengths;
mod options;
mod plan;
mod run;

use std::error::Error;
use std::process::ExitCode;

use omx_tools::line::Failure;
use omx_tools::options::of_process;
use omx_tools::tool;
use options::Choice;

fn main() -> ExitCode {
    tool(
        "mx_pingpong",
        of_process("mx_pingpong"),
        |choice: &Choice| {
            let file = choice.file.as_deref().map(lengths::read).transpose()?;
            let wrong = run::run(&choice.heeding(file.as_deref()), file.as_deref())?;
            Ok::<_, Box<dyn Error>>(Failure::unless_right(wrong, "bytes")?)
        },
    )
}
