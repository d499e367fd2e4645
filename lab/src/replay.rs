//! `cargo lab replay`: our whole stack in the place of each node of captures.

use crate::error::Error;
use omx_captures::{complete_set, format_named};
use omx_replay::{RULES, SideReport, replay_directory};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Plays every side of every capture below `directory` and prints a line for each, or all as JSON. Exit status 1 means
/// that a difference is not explained.
pub fn run(directory: &Path, format: Option<&str>, json: bool) -> Result<ExitCode, Error> {
    let otherwise = match format {
        Some(name) => Some(format_named(name).ok_or_else(|| Error::Format(name.to_owned()))?),
        None => None,
    };
    let reports = replay_directory(directory, otherwise, |report| {
        if !json {
            print(report);
        }
    })?;
    if json {
        println!("{:#}", serde_json::json!({ "sides": reports }));
    } else {
        reasons(&reports);
        println!("{}", Totals::of(&reports));
    }
    Ok(if failed(&reports) == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The same for `cargo lab test`: the complete set of captures where it is found, otherwise the selection in this
/// repository. Prints the totals; says how many sides there were.
pub fn all() -> Result<u64, Error> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let selection = || {
        println!(
            "    the complete set of captures is not here (OMX_CAPTURES): only a selection is played"
        );
        root.join("wire/tests/captures")
    };
    // As the tests of `wire` find it.
    let directory: PathBuf = complete_set(&root.join("wire")).unwrap_or_else(selection);
    let reports = replay_directory(&directory, None, |report| {
        if !report.failures.is_empty() {
            print(report);
        }
    })?;
    println!("    {}", Totals::of(&reports));
    match failed(&reports) {
        0 => Ok(reports.len() as u64),
        sides => Err(Error::Judged(format!(
            "{sides} sides of captures went otherwise than recorded: `cargo lab replay {}` says how",
            directory.display()
        ))),
    }
}

fn failed(reports: &[SideReport]) -> usize {
    reports.iter().filter(|r| !r.failures.is_empty()).count()
}

fn print(report: &SideReport) {
    let verdict = if report.failures.is_empty() {
        "ok"
    } else {
        "FAILED"
    };
    let explained: Vec<String> = report
        .explained
        .iter()
        .map(|(name, count)| format!("; {name}: {count}"))
        .collect();
    println!(
        "{verdict:6} {} as {}: {} frames the same, {} messages compared, acks {} (native {}), sent again {} (native {}){}",
        report.file,
        report.node,
        report.same,
        report.messages,
        report.our_acks,
        report.native_acks,
        report.our_repeats,
        report.native_repeats,
        explained.concat()
    );
    for failure in &report.failures {
        println!("       {failure}");
    }
}

/// Why the differences that occurred are right.
fn reasons(reports: &[SideReport]) {
    for rule in RULES {
        let occurs = |report: &SideReport| report.explained.contains_key(rule.name);
        if rule.reason != "likewise" && reports.iter().any(occurs) {
            println!("{}: {}", rule.name, rule.reason);
        }
    }
}

struct Totals {
    files: usize,
    sides: usize,
    same: u64,
    messages: u64,
    explained: u64,
    failed: usize,
}

impl Totals {
    fn of(reports: &[SideReport]) -> Self {
        let mut files: Vec<&str> = reports.iter().map(|report| report.file.as_str()).collect();
        files.dedup();
        Self {
            files: files.len(),
            sides: reports.len(),
            same: reports.iter().map(|report| report.same).sum(),
            messages: reports.iter().map(|report| report.messages).sum(),
            explained: reports.iter().flat_map(|r| r.explained.values()).sum(),
            failed: failed(reports),
        }
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} captures, {} sides: {} frames the same, {} messages compared, {} differences explained, {} sides failed",
            self.files, self.sides, self.same, self.messages, self.explained, self.failed
        )
    }
}
