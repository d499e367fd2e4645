#![forbid(unsafe_code)]
//! What the alias `cargo lab` names, because an alias of cargo can run nothing but a program that cargo has built.
//!
//! This one can be built on a machine without a C compiler, as it is neither linked (the alias has `true` for a linker) nor
//! run (the alias has `start.sh` for a runner). That script installs the compiler and runs the lab. So a plain `cargo
//! build` installs nothing.

use std::process::ExitCode;

fn main() -> ExitCode {
    eprintln!("lab-start: this only gives `cargo lab` something to build; run that");
    ExitCode::FAILURE
}
