//! Programs that check the code and are no part of the toolchain that builds it: installed when a command asks for them.

use crate::error::Error;
use crate::place;
use crate::run::Run;
use crate::stage::Stage;
use std::path::PathBuf;

/// The version of cargo-deny, whose `deny.toml` is in the repository.
const DENY_VERSION: &str = "0.20.2";

/// Lets rustup install a nightly toolchain with Miri, unless one is there: no stable one has it.
pub fn miri() -> Result<(), Error> {
    let there = Run::new("cargo", "prepare-miri-version").args(["+nightly", "miri", "--version"]);
    if there.output().is_ok() {
        return Ok(());
    }
    let stage = Stage::begin("installing Miri by rustup");
    let install = ["toolchain", "install", "nightly", "--profile", "minimal"];
    let components = ["--component", "miri", "--component", "rust-src"];
    let run = Run::new("rustup", "prepare-miri").args(install);
    finished(stage, run.args(components))
}

/// cargo-deny, built into the cache on its first use, which takes some minutes.
pub fn cargo_deny() -> Result<PathBuf, Error> {
    let root = place::cache()?.join(format!("cargo-deny-{DENY_VERSION}"));
    let program = root.join("bin/cargo-deny");
    if program.exists() {
        return Ok(program);
    }
    let stage = Stage::begin("building cargo-deny");
    let run = Run::new("cargo", "prepare-cargo-deny").args(["install", "cargo-deny", "--locked"]);
    let run = run
        .args(["--version", DENY_VERSION, "--root"])
        .args([&root]);
    finished(stage, run)?;
    Ok(program)
}

/// Runs it as that stage.
fn finished(stage: Stage, run: Run) -> Result<(), Error> {
    match run.output() {
        Ok(_) => {
            stage.done("");
            Ok(())
        }
        Err(error) => {
            stage.failed();
            Err(error)
        }
    }
}
