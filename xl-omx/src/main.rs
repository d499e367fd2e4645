#![forbid(unsafe_code)]
//! The program `xl-omx`.

use std::process::ExitCode;

use xl_omx::{cli, terminal};

fn main() -> ExitCode {
    match cli::run(omx_output::options()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
