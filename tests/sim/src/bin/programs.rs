#![forbid(unsafe_code)]
//! Random programs of several endpoints over bad networks, as many as wanted.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use sim::program;

/// Run random MX programs of two to five endpoints over a network that loses, doubles and reorders frames, in virtual
/// time, and check what MX promises.
///
/// Each program has its own seed. Exit status 1 means that a promise was broken: the seed and the promise are printed.
#[derive(Parser)]
#[command(name = "programs", version)]
struct Options {
    /// Programs to run.
    #[arg(long, default_value_t = 1000)]
    count: u64,
    /// Seed of the first; the others follow.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Flip bits and cut frames, too: then only that everything ends and nothing is written beside counts.
    #[arg(long)]
    damage: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let mut shown = Instant::now();
    let (mut messages, mut received, mut failed) = (0, 0, 0);
    for number in 0..options.count {
        let seed = options.seed.wrapping_add(number);
        match program::run(seed, options.damage) {
            Ok(summary) => {
                messages += summary.messages;
                received += summary.received;
            }
            Err(error) => {
                failed += 1;
                println!("seed {seed}: {error}");
            }
        }
        if shown.elapsed() >= Duration::from_secs(2) {
            shown = Instant::now();
            let end = if std::io::stderr().is_terminal() {
                '\r'
            } else {
                '\n'
            };
            eprint!("{} of {} programs{end}", number + 1, options.count);
        }
    }
    println!(
        "{} programs, {messages} messages sent, {received} received and verified, {failed} programs failed",
        options.count
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
