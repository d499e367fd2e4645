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

/// Runs a `cargo test`. Tests that fail for what the machine lacks are counted apart, others are an error.
pub fn run(run: Run) -> Result<Tested, Error> {
    let failed = match run.output() {
        Ok(output) => return Ok(count(output).0),
        Err(failed) => failed,
    };
    if let Error::Failed { log, .. } = &failed {
        let bytes = fs::read(log).at("read", log)?;
        let (tested, failures) = count(String::from_utf8_lossy(&bytes).into_owned());
        if failures > 0 && failures == tested.lacking.len() as u64 {
            return Ok(tested);
        }
    }
    Err(failed)
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
    fn what_the_machine_lacks_is_told_apart_from_what_failed() {
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
        assert!(test("broken", "echo 'error: no rule'; exit 101").is_err());
    }
}
