//! Running `cargo test`, and counting.

use crate::error::{At, Error};
use crate::run::Run;
use std::fs;

/// What the tests of one `cargo test` came to, all of them well but for what the machine lacks.
#[derive(Debug, Default, PartialEq)]
pub struct Tested {
    /// Tests that passed.
    pub passed: u64,
    /// What the machine lacks for other tests, a sentence for each of them.
    pub lacking: Vec<String>,
    /// All that was printed.
    pub output: String,
}

/// How a test that cannot run on a machine ends at once: it fails with these words, and what it lacks.
const LACKS: &str = "this machine lacks ";

/// Runs a `cargo test`. Tests that fail for what the machine lacks are counted apart, others are an error with what they
/// said.
pub fn run(run: Run) -> Result<Tested, Error> {
    let failed = match run.output() {
        Ok(output) => return Ok(count(output).0),
        Err(failed) => failed,
    };
    let Error::Failed { command, log, .. } = &failed else {
        return Err(failed);
    };
    let bytes = fs::read(log).at("read", log)?;
    let output = String::from_utf8_lossy(&bytes).into_owned();
    let (tested, failures) = count(output);
    if failures > 0 && failures == tested.lacking.len() as u64 {
        return Ok(tested);
    }
    let tests = failed_tests(&tested.output);
    if tests.is_empty() {
        // They do not build, or a test program was ended.
        return Err(failed);
    }
    let mut said: Vec<String> = tests.iter().map(FailedTest::said).collect();
    // Which programs failed, also those that ended before their tests could.
    let summary = tested.output.rfind("\nerror: ");
    said.extend(summary.map(|at| tested.output[at..].trim().to_owned()));
    Err(Error::Tests {
        command: command.clone(),
        names: tests.iter().map(|test| test.name.to_owned()).collect(),
        said: said.join("\n"),
        log: log.clone(),
    })
}

/// A test that failed, as the test programs print it behind all their tests.
struct FailedTest<'a> {
    name: &'a str,
    lines: Vec<&'a str>,
}

/// How many lines of what a failed test said an error shows; the cause stands in the first ones.
const SAID_LINES: usize = 20;

impl FailedTest<'_> {
    fn said(&self) -> String {
        let lines = self.lines.iter().filter(|line| !line.trim().is_empty());
        let lines: Vec<String> = lines
            .take(SAID_LINES)
            .map(|line| format!("  {line}"))
            .collect();
        format!("{}:\n{}", self.name, lines.join("\n"))
    }
}

fn failed_tests(output: &str) -> Vec<FailedTest<'_>> {
    let mut failed = Vec::new();
    let mut within = false;
    for line in output.lines() {
        let heading = line.strip_prefix("---- ");
        if let Some(name) = heading.and_then(|rest| rest.strip_suffix(" stdout ----")) {
            within = true;
            let lines = Vec::new();
            failed.push(FailedTest { name, lines });
        } else if line == "failures:" {
            within = false;
        } else if within && let Some(test) = failed.last_mut() {
            test.lines.push(line);
        }
    }
    failed
}

/// What the test programs of one `cargo test` counted together, and how many tests failed, for whatever reason.
fn count(output: String) -> (Tested, u64) {
    let mut tested = Tested::default();
    let mut failures = 0;
    for line in output.lines() {
        if let Some((_, what)) = line.split_once(LACKS) {
            tested.lacking.push(format!("{LACKS}{what}"));
        }
        let Some(result) = line.strip_prefix("test result: ") else {
            continue;
        };
        let words: Vec<&str> = result.split_whitespace().collect();
        let before = |word: &str| {
            let counts = words.windows(2).find(|pair| pair[1] == word);
            counts.and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
        };
        tested.passed += before("passed;");
        failures += before("failed;");
    }
    tested.output = output;
    (tested, failures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_of_all_programs_are_summed() {
        let output = "test result: ok. 12 passed; 0 failed; 0 ignored\nnoise\ntest result: ok. 3 passed; 0 failed;\n";
        let (tested, failures) = count(output.into());
        assert_eq!((tested.passed, failures), (15, 0));
    }

    #[test]
    fn what_the_machine_lacks_is_told_apart_from_what_failed_and_that_by_name() {
        let test = |name: &str, script: &str| {
            let log = format!("self-test-{name}");
            super::run(Run::new("sh", &log).args(["-c", script]))
        };
        let lacking = test(
            "lacking",
            "echo 'this machine lacks user namespaces: run it as root'
             echo 'test result: FAILED. 4 passed; 1 failed; 0 ignored'; exit 101",
        )
        .unwrap();
        assert_eq!(lacking.passed, 4);
        assert_eq!(
            lacking.lacking,
            ["this machine lacks user namespaces: run it as root"]
        );
        let both = "echo 'this machine lacks taps'
                    echo 'test result: FAILED. 4 passed; 2 failed; 0 ignored'; exit 101";
        assert!(test("both", both).is_err(), "one of them really failed");
        let failed =
            "echo running; echo; echo failures:; echo; echo '---- one::two stdout ----'; echo
                      echo 'left is not right'; echo; echo failures:; echo '    one::two'; echo
                      echo 'test result: FAILED. 4 passed; 1 failed; 0 ignored'; seq 100; exit 101";
        let error = test("failed", failed).unwrap_err().to_string();
        assert!(
            error.starts_with("the test one::two failed in `sh"),
            "{error}"
        );
        assert!(
            error.contains("\none::two:\n  left is not right\n"),
            "{error}"
        );
        assert!(test("broken", "echo 'error: no rule'; exit 101").is_err());
    }
}
