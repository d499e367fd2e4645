//! `cargo lab deny`: licences, sources, doubled and vulnerable crates, by cargo-deny and `deny.toml`.

use crate::error::Error;
use crate::prepare;
use crate::run::Run;
use crate::stage::Stage;
use std::process::ExitCode;

/// What is checked without any network.
const HERE: [&str; 3] = ["licenses", "bans", "sources"];

/// Checks. The list of advisories lies in a repository elsewhere; where that is out of reach this is said, and is no
/// failure.
pub fn run() -> Result<ExitCode, Error> {
    let deny = prepare::cargo_deny()?;
    let deny = deny.to_string_lossy();
    let stage = Stage::begin("licences, sources and doubled crates");
    let here = Run::new(&deny, "deny").args(["--offline", "--locked", "check"]);
    if let Err(error) = here.args(HERE).output() {
        stage.failed();
        return Err(error);
    }
    stage.done("");
    let stage = Stage::begin("advisories");
    let fetched = Run::new(&deny, "deny-fetch").args(["fetch", "db"]).output();
    if fetched.is_err() {
        stage.done("not checked: the advisory database cannot be fetched from here");
        return Ok(ExitCode::SUCCESS);
    }
    let known = Run::new(&deny, "deny-advisories").args(["--locked", "check"]);
    match known.args(["--disable-fetch", "advisories"]).output() {
        Ok(_) => {
            stage.done("");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            stage.failed();
            Err(error)
        }
    }
}
