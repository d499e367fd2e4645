//! `cargo lab soak`: very many messages over a simulated bad network. The work is the program `soak` of `tests/sim`.

use crate::error::Error;
use crate::place;
use crate::run::Run;
use crate::simulation;
use clap::Args;
use std::process::{Command, ExitCode};

/// Messages of the run that is part of `cargo lab test`, and of the one in which backends die.
const SHORT: &str = "20000";
const SHORT_WITH_TAKEOVERS: &str = "100000";

/// Options of `cargo lab soak`.
#[derive(Args)]
pub struct SoakArgs {
    /// Messages, of both directions together.
    #[arg(long, default_value_t = 1_000_000)]
    messages: u64,
    /// Per cent of the frames that are lost; as many are doubled, and as many come late.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=50))]
    loss: u8,
    /// Frames that strangers send in each millisecond of the network's time: noise, repeated, cut, long and tagged frames,
    /// forged beacons, names, refusals, pulls and connects.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    strangers: u32,
    /// What determines the run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Have backends die at any step and others take over, some thousand times in a million messages; a third node is there.
    #[arg(long)]
    takeovers: bool,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

/// Builds the program and runs it before the user's eyes.
pub fn run(args: &SoakArgs) -> Result<ExitCode, Error> {
    let mut command = Command::new("cargo");
    command
        .current_dir(place::repository())
        .args(simulation::arguments("soak"));
    command
        .arg(format!("--messages={}", args.messages))
        .arg(format!("--loss={}", args.loss))
        .arg(format!("--strangers={}", args.strangers))
        .arg(format!("--seed={}", args.seed));
    if args.takeovers {
        command.arg("--takeovers");
    }
    if args.json {
        command.arg("--json");
    }
    let status = command.status().map_err(|source| Error::Start {
        program: "cargo".to_owned(),
        source,
    })?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Sends the longest message that there is between two nodes, and verifies it.
pub fn longest() -> Result<(), Error> {
    let run = Run::new("cargo", "test-longest").args(simulation::arguments("longest"));
    run.output().map(drop)
}

/// A short run, and one in which backends die: how many messages were verified.
pub fn short() -> Result<u64, Error> {
    let plain = carried("test-soak", &["--messages", SHORT])?;
    let options = ["--takeovers", "--messages", SHORT_WITH_TAKEOVERS];
    Ok(plain + carried("test-soak-takeovers", &options)?)
}

fn carried(log: &str, options: &[&str]) -> Result<u64, Error> {
    let run = Run::new("cargo", log).args(simulation::arguments("soak"));
    let output = run.args(options).output()?;
    verified(&output).ok_or_else(|| {
        Error::Judged(format!(
            "the soak did not say how many messages it verified:\n{output}"
        ))
    })
}

/// The number at the start of the line that counts messages and bytes.
fn verified(output: &str) -> Option<u64> {
    let line = output
        .lines()
        .find(|line| line.contains("bytes verified"))?;
    line.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verified_messages_are_found_among_lines_of_progress() {
        let output =
            "5 of 9 messages after 2 s\n9 messages, 70 bytes verified in 3 s\nsent again: 4\n";
        assert_eq!(verified(output), Some(9));
        assert_eq!(verified("5 of 9 messages after 2 s\n"), None);
    }
}
