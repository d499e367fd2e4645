//! The command line of `cargo lab`.

use crate::captures;
use crate::error::Error;
use crate::test;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
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
    /// Hold captures of Open-MX frames against our codec: parse, check, build again, compare.
    ///
    /// Prints a line per file with its frames by type, and each frame that does not hold. Nothing on the wire tells the
    /// wire mode: a file has the format that its folder names, mtu<bytes> (native) or mxwire. Exit status 1 means that a
    /// frame does not hold.
    Captures(CapturesArgs),
}

/// Options of `cargo lab test`.
#[derive(Args)]
pub struct TestArgs {
    /// Leave out what needs QEMU (the Xen scenarios).
    #[arg(long)]
    pub fast: bool,
}

/// Options of `cargo lab captures`.
#[derive(Args)]
pub struct CapturesArgs {
    /// A folder with *.pcap files in it or below it, or one such file.
    pub path: PathBuf,
    /// The format of files whose folder does not name it: mtu9000, mtu1500, any mtu<bytes>, or mxwire.
    #[arg(long)]
    pub format: Option<String>,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    pub json: bool,
}

impl Command {
    /// Carries the command out.
    pub fn run(self) -> Result<ExitCode, Error> {
        match self {
            Command::Test(args) => test::run(&args),
            Command::Captures(args) => captures::run(&args.path, args.format.as_deref(), args.json),
        }
    }
}
