//! Random programs of several endpoints over bad networks, as a step of `cargo lab test`. The work is the program `programs`
//! of `tests/sim`, which runs any number of them.

use crate::error::Error;
use crate::run::Run;
use crate::simulation;

/// Programs on a network that loses, doubles and reorders.
const COUNT: &str = "60";
/// Programs on one that also flips bits and cuts frames.
const DAMAGED: &str = "20";
/// Not the seeds of the unit tests.
const SEED: &str = "1000";

/// Runs them, prints what they counted; how many programs there were.
pub fn run() -> Result<u64, Error> {
    let mut programs = 0;
    for (on, arguments) in [
        ("frames lost, doubled and reordered", vec!["--count", COUNT]),
        (
            "bits flipped and frames cut, too",
            vec!["--count", DAMAGED, "--damage"],
        ),
    ] {
        let run = Run::new("cargo", "test-programs").args(simulation::arguments("programs"));
        let output = run.args(["--seed", SEED]).args(arguments).output()?;
        let (count, line) = counted(&output).ok_or_else(|| {
            Error::Judged(format!(
                "the programs did not say what they counted:\n{output}"
            ))
        })?;
        println!("    {on}: {line}");
        programs += count;
    }
    Ok(programs)
}

/// The last line, which starts with the number of programs.
fn counted(output: &str) -> Option<(u64, &str)> {
    let line = output.lines().find(|line| line.contains(" programs, "))?;
    Some((line.split(' ').next()?.parse().ok()?, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_counts_is_found_among_lines_of_progress() {
        let line = "9 programs, 70 messages sent, 60 received and verified, 0 programs failed";
        let output = format!("5 of 9 programs\n{line}\n");
        assert_eq!(counted(&output), Some((9, line)));
        assert_eq!(counted("5 of 9 programs\n"), None);
    }
}
