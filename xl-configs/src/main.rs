#![forbid(unsafe_code)]
//! `xl-omx`: gives guests their Open-MX devices, from dom0.
//!
//! libxl does not know this device class, so dom0 writes the two xenstore directories itself, as libxl does for
//! `vif` and `vbd`, and remembers what it attached. Its neighbours are xenstored on one side, and through xenstore the
//! driver domain (backend) and the guest's module (frontend). It refuses to touch a message, a page or an event
//! channel.

#[macro_use]
extern crate omx_output;

mod attachments;
mod cli;
mod device;
mod domain;
mod error;
mod mac;
mod output;
mod wait;
mod xenstore;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run(omx_output::options()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xl-omx: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
