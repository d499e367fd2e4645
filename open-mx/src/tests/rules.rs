//! The index of the protocol's rules (`README.md` beside this file) names tests that exist.

use std::path::Path;

const INDEX: &str = include_str!("README.md");

/// The words between backquotes.
fn quoted(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

fn has_test(file: &str, name: &str) -> bool {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let source = std::fs::read_to_string(path).unwrap_or_default();
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    source.split(|c| !part_of_name(c)).any(|word| word == name)
}

#[test]
fn every_rule_names_tests_and_every_test_that_is_named_exists() {
    let mut rule: Option<(&str, usize)> = None;
    let mut tests = 0;
    for line in INDEX.lines().chain(["- the end"]) {
        if let Some(test) = line.strip_prefix("  - ") {
            let [file, name] = quoted(test)[..] else {
                panic!("no file and name: {line}");
            };
            assert!(has_test(file, name), "{file} has no test {name}");
            tests += 1;
            if let Some((_, named)) = &mut rule {
                *named += 1;
            }
        } else if let Some(text) = line.strip_prefix("- ")
            && let Some((earlier, named)) = rule.replace((text, 0))
        {
            assert!(named > 0, "no test for: {earlier}");
        }
    }
    assert!(tests > 100, "only {tests} tests were found in the index");
}

#[test]
fn a_name_that_is_part_of_another_one_is_not_found() {
    let here = "open-mx/src/tests/rules.rs";
    assert!(has_test(
        here,
        "a_name_that_is_part_of_another_one_is_not_found"
    ));
    let cut = concat!("a_name_that_is_part_of", "_another");
    assert!(!has_test(here, cut));
    assert!(!has_test("open-mx/src/tests/none.rs", cut));
}
