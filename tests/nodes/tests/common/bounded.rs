//! Programs that lack something, bounded in time, and what their ends say.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use super::library;

/// Seconds after which a step has hung.
pub const BOUND: &str = "20";

/// Programs in C, built once for all tests of this process.
pub fn conformance() -> &'static str {
    static BUILT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, program) = BUILT.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let program = conformance::build(&library(), directory.path()).unwrap();
        (directory, program)
    });
    program.to_str().expect("a path made by these tests")
}

/// Runs a program to its end, bounded in time, with a limit as `prlimit` takes it.
pub fn run(limit: &str, program: &str, arguments: &str, socket: &Path) -> Output {
    run_within(&["prlimit", limit], program, arguments, socket)
}

/// The same in the surroundings that another program makes for it.
pub fn run_within(around: &[&str], program: &str, arguments: &str, socket: &Path) -> Output {
    let ended = Command::new("timeout")
        .args(["-k", "1", BOUND])
        .args(around)
        .arg(program)
        .args(arguments.split_whitespace())
        .env("OMX_SOCKET", socket)
        .output();
    ended.expect("timeout and prlimit (Debian: coreutils, util-linux)")
}

/// How a program ended, and what it said.
pub fn text(ended: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{}: {}{}",
        ended.status,
        text(&ended.stdout),
        text(&ended.stderr)
    )
}

/// Whether a limited program ended well; else it must have said why.
pub fn ended_well(step: &str, ended: &Output) -> bool {
    let said = text(ended);
    match ended.status.code() {
        Some(0) => return true,
        // The loader, before the program begins.
        Some(127) => assert!(said.contains("error while loading"), "{step}: {said}"),
        Some(1 | 255) => assert!(!ended.stderr.is_empty(), "{step} failed without a word"),
        _ => panic!("{step}: {said}"),
    }
    false
}
