//! The complete set of captures, where it is found.

use std::collections::BTreeSet;
use std::io::{Write, stderr};
use std::path::Path;

use omx_captures::complete_set;
use omx_replay::{RULES, replay_directory};

#[test]
fn our_stack_says_what_the_native_nodes_said_and_each_rule_is_needed() {
    let Some(directory) = complete_set(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")) else {
        // Not by a print macro: the test harness would swallow it.
        writeln!(
            stderr(),
            "NOT TESTED: the complete set of captures; name its folder in OMX_CAPTURES"
        )
        .expect("standard error");
        return;
    };
    let reports = replay_directory(&directory, None, |_| {}).expect("readable captures");
    let failures: Vec<_> = reports
        .iter()
        .filter(|report| !report.failures.is_empty())
        .map(|report| (&report.file, &report.node, &report.failures))
        .collect();
    assert!(failures.is_empty(), "{failures:#?}");
    let used: BTreeSet<_> = reports.iter().flat_map(|r| r.explained.keys()).collect();
    let rules: BTreeSet<_> = RULES.iter().map(|rule| &rule.name).collect();
    assert_eq!(used, rules);
}
