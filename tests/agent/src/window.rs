//! How much processor time the tasks of this domain took in a stretch of time. One process looks at both ends, so that
//! starting and printing fall outside.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

const FILE: &str = "/proc/schedstat";

/// Prints the nanoseconds.
pub fn print(seconds: &str) -> ExitCode {
    let measured = seconds.parse().ok().and_then(|seconds| {
        let before = task_time()?;
        thread::sleep(Duration::from_secs(seconds));
        Some(task_time()? - before)
    });
    match measured {
        Some(nanoseconds) => {
            println!("{nanoseconds}");
            ExitCode::SUCCESS
        }
        None => {
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
