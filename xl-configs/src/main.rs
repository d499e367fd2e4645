#![forbid(unsafe_code)]
//! The program `xl-omx`.

use std::process::ExitCode;

use xl_omx::{cli, output};

fn main() -> ExitCode {
    match cli::run(omx_output::options()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
