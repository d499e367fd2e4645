//! What ranks that run tests of Python's `unittest` have said of each.

/// What became of a test, the better one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It does not concern this machine, or so many ranks.
    Skipped,
    /// It found what it expects.
    Passed,
    /// It did not.
    Failed,
    /// It ended the job, or made it hang.
    Broke,
}

/// The tests that a rank has begun, in its order. One without a result has none.
pub fn of_rank(said: &str) -> Vec<(String, Option<Outcome>)> {
    let mut tests: Vec<(String, Option<Outcome>)> = Vec::new();
    for line in said.lines() {
        if let Some(name) = begun(line) {
            tests.push((name.to_owned(), None));
        }
        if let Some((_, outcome @ None)) = tests.last_mut() {
            *outcome = result(line);
        }
    }
    tests
}

/// Whether the rank has come to the end of its tests.
pub fn is_whole(said: &str) -> bool {
    said.lines()
        .rev()
        .take_while(|line| !line.starts_with("-----"))
        .any(|line| line.starts_with("OK") || line.starts_with("FAILED"))
}

/// The name of the test that begins with this line: `name (module.Class.name) ...`.
fn begun(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(" (")?;
    let (name, _) = rest.split_once(')')?;
    let begins = ["FAIL:", "ERROR:"]
        .iter()
        .all(|mark| !line.starts_with(mark));
    (begins && name.starts_with("test_")).then_some(name)
}

/// What a line ends with: libraries write into the same output, so the word may stand alone.
fn result(line: &str) -> Option<Outcome> {
    let word = line.rsplit_once(" ... ").map_or(line, |(_, word)| word);
    match word.trim() {
        "ok" | "expected failure" => Some(Outcome::Passed),
        "FAIL" | "ERROR" | "unexpected success" => Some(Outcome::Failed),
        word if word.starts_with("skipped ") => Some(Outcome::Skipped),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "[0@vm] Python 3.11 (/usr/bin/python3)\n\
                        testA (test_one.Some.testA) ... ok\n\
                        testB (test_one.Some.testB)\nWhat it does ... FAIL\n\
                        testC (test_one.Some.testC) ... [vm:1] a warning\nok\n\
                        testD (test_one.Some.testD) ... skipped 'not here'\n\
                        testE (test_two.Some.testE) ... [vm:1] *** Process received signal ***\n";

    #[test]
    fn each_test_has_its_result_and_what_broke_the_job_has_none() {
        let tests = of_rank(SAID);
        let names: Vec<&str> = tests.iter().map(|(name, _)| &name[14..]).collect();
        assert_eq!(names, ["testA", "testB", "testC", "testD", "testE"]);
        let outcomes: Vec<_> = tests.iter().map(|(_, outcome)| *outcome).collect();
        let [passed, failed] = [Outcome::Passed, Outcome::Failed].map(Some);
        let skipped = Some(Outcome::Skipped);
        assert_eq!(outcomes, [passed, failed, passed, skipped, None]);
    }

    #[test]
    fn only_a_summary_is_the_end() {
        assert!(!is_whole(SAID));
        assert!(is_whole("-----\nRan 5 tests in 1.2s\n\nOK (skipped=1)\n"));
        assert!(is_whole(
            "-----\nRan 5 tests in 1.2s\n\nFAILED (errors=1)\n"
        ));
        let failures = "=====\nFAIL: testB (test_one.Some.testB)\n-----\nTraceback\n";
        assert!(!is_whole(failures) && of_rank(failures).is_empty());
    }
}
