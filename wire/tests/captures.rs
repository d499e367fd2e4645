//! Real frames of Open-MX nodes: each parses, and builds again to the same bytes.

use std::collections::BTreeSet;
use std::io::{Write, stderr};
use std::path::Path;

use omx_captures::{FileReport, check_directory, complete_set};

const ALL_TYPES: [&str; 15] = [
    "CONNECT reply",
    "CONNECT request",
    "HOST_QUERY",
    "HOST_REPLY",
    "MEDIUM",
    "NACK_LIB",
    "NACK_MCP",
    "NOTIFY",
    "PULL",
    "PULL_REPLY",
    "RAW",
    "RNDV",
    "SMALL",
    "TINY",
    "TRUC",
];

/// Judges all files below a directory, and sees to it that each format shows each packet type.
fn every_frame_holds(directory: &Path) {
    let reports = check_directory(directory, None).expect("readable captures");
    let problems: Vec<String> = reports.iter().flat_map(problems).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert_eq!(reports.iter().map(|report| report.foreign).sum::<u64>(), 0);

    let formats: BTreeSet<&str> = reports.iter().map(|r| r.format.as_str()).collect();
    assert_eq!(
        formats.iter().copied().collect::<Vec<_>>(),
        ["mtu1500", "mtu9000", "mxwire"]
    );
    for format in formats {
        let of_format = reports.iter().filter(|report| report.format == format);
        let types: BTreeSet<&str> = of_format.flat_map(|r| r.types.keys().copied()).collect();
        assert_eq!(types.into_iter().collect::<Vec<_>>(), ALL_TYPES, "{format}");
    }
}

fn problems(report: &FileReport) -> impl Iterator<Item = String> {
    report.problems.iter().map(|problem| {
        format!(
            "{} frame {}: {}",
            report.file.display(),
            problem.frame,
            problem.problem
        )
    })
}

#[test]
fn every_frame_of_the_selection_in_this_repository_holds() {
    every_frame_holds(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures"));
}

#[test]
fn every_frame_of_the_complete_set_holds_where_it_is_found() {
    match complete_set(Path::new(env!("CARGO_MANIFEST_DIR"))) {
        Some(directory) => {
            assert!(
                directory.is_dir(),
                "the captures are not in {}: put them there, or name their folder in OMX_CAPTURES",
                directory.display()
            );
            every_frame_holds(&directory);
        }
        // Not by a print macro: the test harness would swallow it.
        None => writeln!(
            stderr(),
            "NOT TESTED: the complete set of captures; name its folder in OMX_CAPTURES"
        )
        .expect("standard error"),
    }
}
