//! `cargo lab captures`: captures of Open-MX traffic, held against the codec.

use crate::error::Error;
use omx_captures::{FileReport, check_directory, format_named};
use std::path::Path;
use std::process::ExitCode;

/// Judges every capture below `directory` and prints a line for each, or all as JSON. Frames of files that no folder
/// gives a format are read as `format` names it. Exit status 1 means that a frame does not hold.
pub fn run(directory: &Path, format: Option<&str>, json: bool) -> Result<ExitCode, Error> {
    let otherwise = match format {
        Some(name) => Some(format_named(name).ok_or_else(|| Error::Format(name.to_owned()))?),
        None => None,
    };
    let reports = check_directory(directory, otherwise)?;
    if json {
        println!("{:#}", serde_json::json!({ "files": reports }));
    } else {
        for report in &reports {
            print(report);
        }
        let frames: u64 = reports.iter().map(|report| report.frames).sum();
        let problems: usize = reports.iter().map(|report| report.problems.len()).sum();
        println!(
            "{} files, {frames} frames, {problems} problems",
            reports.len()
        );
    }
    Ok(if reports.iter().all(|report| report.problems.is_empty()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print(report: &FileReport) {
    let types: Vec<String> = report
        .types
        .iter()
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    let verdict = if report.problems.is_empty() {
        "ok"
    } else {
        "FAILED"
    };
    println!(
        "{verdict:6} {:8} {:5} frames  {}: {}",
        report.format,
        report.frames,
        report.file.display(),
        types.join(", ")
    );
    for problem in &report.problems {
        println!("       frame {}: {}", problem.frame, problem.problem);
    }
}
