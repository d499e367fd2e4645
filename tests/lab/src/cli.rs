//! The command line of `cargo lab`.

use crate::error::Error;
use crate::test;
use clap::{Args, Parser, Subcommand};
use std::process::ExitCode;

/// The laboratory of Xen2MX: a real Xen host inside QEMU, and everything that is tested on it.
#[derive(Parser)]
#[command(name = "cargo lab", bin_name = "cargo lab", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `cargo lab` can do.
#[derive(Subcommand)]
pub enum Command {
    /// Run every test there is: format, lints, unit and property tests, models, and the Xen scenarios.
    ///
    /// Each step says what it is and how long it took; the last line counts. Exit status 0 means that all passed.
    Test(TestArgs),
}

/// Options of `cargo lab test`.
#[derive(Args)]
pub struct TestArgs {
    /// Leave out what needs QEMU (the Xen scenarios).
    #[arg(long)]
    pub fast: bool,
}

impl Command {
    /// Carries the command out.
    pub fn run(self) -> Result<ExitCode, Error> {
        match self {
            Command::Test(args) => test::run(&args),
        }
    }
}
