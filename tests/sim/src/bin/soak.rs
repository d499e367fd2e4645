#![forbid(unsafe_code)]
//! `cargo lab soak`: very many messages over a bad network, in virtual time.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use sim::soak::{Plan, Report, TakeoverPlan, run};

/// Send messages of mixed sizes between two nodes over a network that loses, doubles and reorders frames, and verify
/// every byte.
///
/// Library, queues, backends and boards are the real ones; the network and the time are simulated, so that a run
/// depends on its seed alone. Exit status 0 means that every message arrived once, whole and in order; 1, that
/// something is wrong: the first thing is printed.
#[derive(Parser)]
#[command(name = "soak", version)]
struct Options {
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

/// Time between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let options = Options::parse();
    let plan = Plan {
        messages: options.messages,
        loss: options.loss,
        strangers: options.strangers,
        seed: options.seed,
        long: 1,
        takeovers: options.takeovers.then(TakeoverPlan::default),
    };
    let begun = Instant::now();
    let mut shown = begun;
    let result = run(&plan, |arrived| {
        if shown.elapsed() >= PROGRESS_EVERY {
            shown = Instant::now();
            let end = if std::io::stderr().is_terminal() {
                '\r'
            } else {
                '\n'
            };
            let seconds = begun.elapsed().as_secs();
            eprint!(
                "{arrived} of {} messages after {seconds} s{end}",
                plan.messages
            );
        }
    });
    match result {
        Ok(report) if options.json => println!("{}", json(&plan, &report, begun.elapsed())),
        Ok(report) => print(&plan, &report, begun.elapsed()),
        Err(error) => {
            eprintln!(
                "soak: {error}\nThe same again: --messages {} --loss {} --strangers {} --seed {}{}",
                plan.messages,
                plan.loss,
                plan.strangers,
                plan.seed,
                if options.takeovers {
                    " --takeovers"
                } else {
                    ""
                }
            );
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn print(plan: &Plan, report: &Report, took: Duration) {
    println!(
        "{} messages, {} bytes verified in {:.1} s ({:.1} s of the network's time); {} % lost, doubled and late each",
        report.messages,
        report.bytes,
        took.as_secs_f64(),
        report.virtual_time.as_secs_f64(),
        plan.loss
    );
    if plan.strangers > 0 {
        let (sent, answers) = report.strangers;
        println!("strangers sent {sent} frames and got {answers}");
    }
    if plan.takeovers.is_some() {
        println!(
            "{} backends died; the longest time without an end of a message: {} ms",
            report.deaths,
            report.longest_pause.as_millis()
        );
    }
    for (title, frames) in [
        ("sent again", &report.resent),
        ("duplicates", &report.duplicates),
    ] {
        let total: u64 = frames.iter().map(|(_, count)| count).sum();
        println!("{title}: {total}");
        for (kind, count) in frames {
            println!("  {kind}: {count}");
        }
    }
}

fn json(plan: &Plan, report: &Report, took: Duration) -> String {
    let object = |frames: &[(&str, u64)]| {
        let members = frames
            .iter()
            .map(|(kind, count)| format!("\"{kind}\":{count}"));
        members.collect::<Vec<_>>().join(",")
    };
    format!(
        "{{\"messages\":{},\"bytes\":{},\"seconds\":{:.3},\"virtual_seconds\":{:.3},\"loss\":{},\"strangers\":{{\"sent\":{},\"got\":{}}},\"seed\":{},\
         \"deaths\":{},\"longest_pause_ms\":{},\"resent\":{{{}}},\"duplicates\":{{{}}}}}",
        report.messages,
        report.bytes,
        took.as_secs_f64(),
        report.virtual_time.as_secs_f64(),
        plan.loss,
        report.strangers.0,
        report.strangers.1,
        plan.seed,
        report.deaths,
        report.longest_pause.as_millis(),
        object(&report.resent),
        object(&report.duplicates)
    )
}
