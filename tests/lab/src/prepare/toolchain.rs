//! The Rust toolchain, as `rust-toolchain.toml` names it.

use crate::error::{At, Error};
use crate::place;
use crate::run::Run;
use crate::stage::Stage;
use std::fs;

/// Where rustc keeps what has to be there, below its sysroot: the bare target, and the source of core.
const NEEDED: [&str; 2] = [
    "lib/rustlib/x86_64-unknown-none/lib",
    "lib/rustlib/src/rust/library/core",
];

/// Lets rustup install what the repository's `rust-toolchain.toml` names, if any of it is missing.
pub fn install() -> Result<(), Error> {
    let sysroot = Run::new("rustc", "prepare-sysroot")
        .args(["--print", "sysroot"])
        .output()?;
    let sysroot = std::path::Path::new(sysroot.trim());
    let file = place::repository().join("rust-toolchain.toml");
    let wanted = fs::read_to_string(&file).at("read", &file)?;
    let version = Run::new("rustc", "prepare-rustc")
        .args(["--version"])
        .output()?;
    let version = version.split(' ').nth(1).unwrap_or_default();
    if NEEDED.iter().all(|path| sysroot.join(path).exists()) && wanted.contains(version) {
        return Ok(());
    }
    let stage = Stage::begin("installing the Rust toolchain of rust-toolchain.toml");
    Run::new("rustup", "prepare-toolchain")
        .args(["toolchain", "install"])
        .output()?;
    stage.done("");
    Ok(())
}
