#![forbid(unsafe_code)]
//! Counting the system calls of a running process, by `strace`: that a process exchanges messages without any is a
//! promise which only an onlooker can check.
//!
//! Neighbours: `lab` prints it in the demo, `nodes` tests it. It refuses to judge.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// System calls by their names, and how often each was made.
pub type Calls = BTreeMap<String, u64>;

/// System calls that a process makes, in all its threads, while it is watched for this long.
///
/// Fails when there is no `strace`, or when it may not attach: as another user's, or under a security policy.
pub fn system_calls(pid: u32, watched: Duration) -> io::Result<Calls> {
    let mut strace = Command::new("strace")
        .args(["-f", "-q", "-o", "/dev/stdout", "-p", &pid.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            io::Error::new(error.kind(), format!("strace (Debian: strace): {error}"))
        })?;
    // Its output is read while it runs: a full pipe would stop it, and with it whom it watches.
    let output = strace.stdout.take().map(|mut stdout| {
        std::thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).map(|_| text)
        })
    });
    std::thread::sleep(watched);
    // It detaches and ends.
    kill_process(Pid::from_child(&strace), Signal::INT)?;
    let ended = strace.wait_with_output()?;
    let complaint = String::from_utf8_lossy(&ended.stderr).into_owned();
    if complaint.contains("attach") {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, complaint));
    }
    let text = match output.map(std::thread::JoinHandle::join) {
        Some(Ok(text)) => text?,
        _ => return Err(io::Error::other("strace's output was not read")),
    };
    Ok(count(&text))
}

/// Counts what strace printed: with `-f` a line is a process number, a name, and arguments in parentheses. A call that
/// was under way at the beginning, or is cut in two by another thread's, has its parenthesis in its first line alone.
fn count(text: &str) -> Calls {
    let mut calls = Calls::new();
    for line in text.lines() {
        let name = line
            .split_once('(')
            .and_then(|(before, _)| before.split_whitespace().last());
        if let Some(name) = name.filter(|name| !name.starts_with('<')) {
            *calls.entry(name.to_owned()).or_default() += 1;
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_is_counted_once_under_its_name() {
        let text = "12 read(3, \"a(b\", 10) = 3\n\
                    12 poll([{fd=3}], 1, -1 <unfinished ...>\n\
                    13 read(4, \"\", 1) = 0\n\
                    12 <... poll resumed>) = 1\n\
                    12 +++ exited with 0 +++\n";
        let expected = [("poll".to_owned(), 1), ("read".to_owned(), 2)];
        assert_eq!(count(text), Calls::from(expected));
    }
}
