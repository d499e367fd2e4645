//! Programs in C under valgrind's memcheck: they run there at all, use no memory wrongly, and leave nothing behind that
//! is ours.

mod common;

use std::path::Path;
use std::process::{Command, Output};

use common::{NODE, library, pair, succeeded};
use nodes::{Node, wait_for};
use open_mx::Board;

/// Ends with a status of its own where memcheck finds something; a bound for what hangs.
const MEMCHECK: [&str; 8] = [
    "-k",
    "1",
    "60",
    "valgrind",
    "--quiet",
    "--leak-check=full",
    "--error-exitcode=99",
    "--",
];

fn under_memcheck(program: &Path, arguments: &str, node: &Node) -> Command {
    let found = Command::new("valgrind").arg("--version").output();
    assert!(
        found.is_ok_and(|it| it.status.success()),
        "valgrind does not start: install Debian's package valgrind, as `cargo lab test` does"
    );
    let mut command = Command::new("timeout");
    command
        .args(MEMCHECK)
        .arg(program)
        .args(arguments.split_whitespace())
        .env("OMX_SOCKET", &node.socket);
    command
}

fn run(program: &Path, arguments: &str, node: &Node) -> Output {
    let ended = under_memcheck(program, arguments, node).output();
    let ended = ended.expect("timeout and valgrind");
    succeeded(arguments, &ended);
    ended
}

#[test]
fn the_example_greets_another_under_memcheck_without_an_error_or_a_leak() {
    let directory = tempfile::tempdir().unwrap();
    let hello = conformance::build_hello(&library(), directory.path()).unwrap();
    let pair = pair(&[]);
    let waiting = under_memcheck(&hello, "", &pair.right)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    wait_for("the opening of the example's endpoint", || {
        let openers = Board::openers(&pair.right.backend(), 0).unwrap();
        openers.iter().any(Option::is_some)
    });
    let greeted = run(&hello, "right:0", &pair.left);
    assert_eq!(
        String::from_utf8_lossy(&greeted.stdout),
        "left:0 heard: hello yourself, from right:0\n"
    );
    succeeded("the one that waits", &waiting.wait_with_output().unwrap());
}

#[test]
fn conformance_programs_run_under_memcheck_without_an_error_or_a_leak() {
    let directory = tempfile::tempdir().unwrap();
    let program = conformance::build(&library(), directory.path()).unwrap();
    let options = ["--alone", "--name", "one", "--board", "two"];
    let node = Node::start(NODE, directory.path().join("sock"), &options);
    // Messages of every size by every way, and the handler that runs in the application's own thread.
    for arguments in [
        "vectors",
        "vectors -S",
        "unexpected_handler",
        "rails -R 2 -E 65536",
    ] {
        let ended = run(&program, arguments, &node);
        let verified = conformance::verified(&String::from_utf8_lossy(&ended.stdout));
        assert!(verified > Some(0), "{arguments} verified {verified:?}");
    }
}
