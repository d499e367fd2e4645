//! How much processor time the tasks of this domain take in a stretch of time. One process looks at both ends, so that
//! starting and printing fall outside.
//!
//! An emulator that is held up while a task runs counts as that task's time. So the stretch is measured in slices of a second, and
//! each slice counts like the middle one.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

const FILE: &str = "/proc/schedstat";
const SLICE: Duration = Duration::from_secs(1);

/// Prints the nanoseconds.
pub fn print(seconds: &str) -> ExitCode {
    let slices = seconds.parse().ok().and_then(|seconds: u16| {
        let mut slices = Vec::with_capacity(seconds.into());
        for _ in 0..seconds {
            let before = task_time()?;
            thread::sleep(SLICE);
            slices.push(task_time()?.saturating_sub(before));
        }
        Some(slices)
    });
    match slices {
        Some(mut slices) if !slices.is_empty() => {
            slices.sort_unstable();
            println!("{}", slices[slices.len() / 2] * slices.len() as u64);
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("lab-agent: cannot measure '{seconds}' seconds by {FILE}");
            ExitCode::FAILURE
        }
    }
}

/// Nanoseconds in which a task ran, on all processors: the seventh number of a processor's line
/// (Documentation/scheduler/sched-stats.rst).
fn task_time() -> Option<u64> {
    let text = std::fs::read_to_string(FILE).ok()?;
    let processors = text.lines().filter(|line| line.starts_with("cpu"));
    processors
        .map(|line| line.split_whitespace().nth(7)?.parse::<u64>().ok())
        .sum()
}
