//! Holds a program to what this crate promises, for the tests of programs in Rust and in C.

use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

use crate::READER_GONE;

/// The signal of a program whose reader has gone.
const SIGPIPE: i32 = 13;

/// A pipe that nobody reads.
pub fn broken_pipe() -> OwnedFd {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

/// A disk without room.
pub fn full_disk() -> OwnedFd {
    let full = OpenOptions::new().write(true).open("/dev/full");
    full.expect("Linux has it").into()
}

/// Variables of the environment and their values.
pub type Variables<'a> = &'a [(&'a str, &'a str)];

/// A program that prints something and would succeed, with every output that is none.
///
/// # Panics
/// When a promise is not kept.
pub fn judge(program: &str, arguments: &[&str], variables: Variables<'_>) {
    judge_endless(program, arguments, variables);
    ends_when_closed(&made(program, arguments, variables));
}

/// The same of a program that prints something and then goes on.
///
/// # Panics
/// When a promise is not kept.
pub fn judge_endless(program: &str, arguments: &[&str], variables: Variables<'_>) {
    quiet_without_reader(&mut made(program, arguments, variables));
    fails_without_room(&mut made(program, arguments, variables));
}

fn made(program: &str, arguments: &[&str], variables: Variables<'_>) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).envs(variables.iter().copied());
    command.stdin(Stdio::null());
    command
}

fn quiet_without_reader(command: &mut Command) {
    let what = &format!("{command:?}");
    let ended = ended(command.stdout(broken_pipe()));
    let status = ended.status;
    let quiet = status.code() == Some(READER_GONE) || status.signal() == Some(SIGPIPE);
    assert!(quiet, "{what} without a reader: {status}");
    assert_eq!(ended.stderr, b"", "{what} without a reader");
    // Nor may it matter that the error has no reader either.
    command.stderr(broken_pipe());
    let status = command.stdout(broken_pipe()).status().expect("started");
    let quiet = status.code() == Some(READER_GONE) || status.signal() == Some(SIGPIPE);
    assert!(quiet, "{what} without any reader: {status}");
}

fn fails_without_room(command: &mut Command) {
    let what = &format!("{command:?}");
    let ended = ended(command.stdout(full_disk()));
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(
        ended.status.code(),
        Some(1),
        "{what} on a full disk: {said}"
    );
    let cause = "No space left on device";
    assert!(
        said.contains(cause) && !said.contains("panicked"),
        "{what}: {said}"
    );
    command.stdout(full_disk()).stderr(full_disk());
    let status = command.status().expect("started");
    assert_eq!(status.code(), Some(1), "{what} on a full disk for all");
}

/// A shell closes the descriptor. Rust opens /dev/null in its place, C does not.
fn ends_when_closed(command: &Command) {
    let what = &format!("{command:?}");
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$@\" >&-", "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    let variables = command.get_envs();
    shell.envs(variables.filter_map(|(name, value)| Some((name, value?))));
    let ended = ended(shell.stdin(Stdio::null()));
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(
        !said.contains("panicked"),
        "{what} with a closed output: {said}"
    );
    assert!(
        matches!(ended.status.code(), Some(0 | 1)),
        "{what} with a closed output: {}: {said}",
        ended.status
    );
}

fn ended(command: &mut Command) -> Output {
    command
        .stderr(Stdio::piped())
        .output()
        .expect("a program that starts")
}
