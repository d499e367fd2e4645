//! `mx_stream`: as many messages as the other side takes, in one direction or both.

#[macro_use]
extern crate omx_output;

mod count;
mod direction;
mod options;
mod plan;
mod run;

use std::process::ExitCode;

use omx_tools::line::Failure;
use omx_tools::options::of_process;
use omx_tools::tool;

fn main() -> ExitCode {
    tool("mx_stream", of_process("mx_stream"), |choice| {
        Failure::unless_right(run::run(choice)?, "bytes")
    })
}
