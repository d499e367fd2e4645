//! `omx_verify`: messages there and back whose every byte is checked on both sides.

#[macro_use]
extern crate omx_output;

mod options;
mod pattern;
mod run;

use std::process::ExitCode;

use omx_tools::line::Failure;
use omx_tools::tool;
use options::Choice;

fn main() -> ExitCode {
    let choice = Choice::read(std::env::args_os().skip(1));
    tool("omx_verify", choice, |choice| {
        Failure::unless_right(run::run(choice)?, "messages")
    })
}
