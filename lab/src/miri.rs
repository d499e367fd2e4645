//! `cargo lab miri`: what only an interpreter sees, in the crates whose unsafe code it can run.

use crate::error::Error;
use crate::prepare;
use crate::run::Run;
use crate::stage::Stage;
use crate::tested;
use clap::Args;
use std::process::ExitCode;

/// Options of `cargo lab miri`.
#[derive(Args)]
pub struct MiriArgs {
    /// Random inputs of each property test. The interpreter is some hundred times slower than a processor.
    #[arg(long, default_value_t = 1)]
    pub cases: u32,
    /// Run only the tests whose name contains this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub only: String,
}

/// The tests that it runs: a package, and the names of its integration tests. Those that ask Linux for more than files
/// (descriptors of memory, sockets) are nothing for Miri, and `abi` reads too many bytes for it.
const RUNS: [(&str, &[&str]); 1] = [("mx-ring", &["queues", "values"])];

/// Runs the tests, in a target directory of their own: everything is built for the interpreter.
pub fn run(args: &MiriArgs) -> Result<ExitCode, Error> {
    prepare::miri()?;
    for (package, tests) in RUNS {
        let stage = Stage::begin(format!("{package} by Miri"));
        let run = Run::new("cargo", &format!("miri-{package}"))
            // Hidden from the tests otherwise.
            .env("MIRIFLAGS", "-Zmiri-env-forward=PROPTEST_CASES")
            .env("PROPTEST_CASES", args.cases.to_string())
            .args(["+nightly", "miri", "test", "--target-dir", "target/miri"])
            .args(["--package", package])
            .args(tests.iter().flat_map(|test| ["--test", test]));
        match tested::run(run.args(["--", &args.only])) {
            Ok(tested) => stage.done(format!("{} tests", tested.passed)),
            Err(error) => {
                stage.failed();
                return Err(error);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
