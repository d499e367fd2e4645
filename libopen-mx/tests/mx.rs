//! The MX API from C: what each call does, and what ends the process.

mod common;

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

use common::{compiled, node, succeeded};

/// Runs the program at a node with two boards.
fn run(arguments: &[&str]) -> Output {
    static PROGRAM: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    let (program, socket) = PROGRAM.get_or_init(|| {
        let socket = node("left", &["--alone", "--board", "right"]);
        (compiled("tests/c/mx.c", "myriexpress"), socket)
    });
    Command::new("timeout")
        .arg("60")
        .arg(program)
        .args(arguments)
        .env("OMX_SOCKET", socket)
        .output()
        .expect("a program")
}

#[test]
fn each_call_takes_its_arguments_in_the_order_of_mx_and_tells_the_codes_of_mx() {
    succeeded(&run(&[]));
}

#[test]
fn an_error_before_the_initialisation_ends_the_process() {
    let output = run(&["before-init"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(255), "{said}");
    assert!(said.starts_with("BeforeInit: "), "{said}");
    assert!(said.contains("finalize: Not initialized"), "{said}");
}

#[test]
fn an_error_that_nobody_handles_ends_the_process() {
    let output = run(&["fatal"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(255), "{said}");
    assert!(
        said.contains("mx_irecv") && said.contains("Bad match mask."),
        "{said}"
    );
    let output = run(&["mx_iput"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(255), "{said}");
    assert!(said.contains("mx_iput: Not implemented"), "{said}");
}

#[test]
fn raw_endpoints_exchange_frames_and_map_the_network() {
    let socket = node("raw", &["--alone", "--board", "other"]);
    let output = Command::new("timeout")
        .arg("60")
        .arg(compiled("tests/c/raw.c", "myriexpress"))
        .env("OMX_SOCKET", socket)
        .output()
        .expect("a program");
    succeeded(&output);
}
