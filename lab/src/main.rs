#![forbid(unsafe_code)]
//! `cargo lab`: the laboratory of Xen2MX.
//!
//! It exists so that one command shows the whole system at work on a machine that has nothing but rustup: it prepares
//! the machine, builds everything, boots a real Xen host inside QEMU, runs scenarios on it and judges them. Its
//! neighbours are all the other crates, which it only ever uses as programs and images, as an operator would.
//! It refuses to install what it only has to unpack, and to touch any machine but the one it runs on.

#[macro_use]
extern crate omx_output;

mod build;
mod captures;
mod cli;
mod demo;
mod deny;
mod error;
mod fresh;
mod fuzz;
mod host;
mod image;
mod lock;
mod miri;
mod modules;
mod mpi;
mod node;
mod packages;
mod place;
mod prepare;
mod programs;
mod replay;
mod run;
mod scenario;
mod simulation;
mod soak;
mod stage;
mod stall_timeout;
mod test;
mod tested;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cli: cli::Cli = omx_output::options();
    match cli.command.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("lab: {error}");
            ExitCode::FAILURE
        }
    }
}
