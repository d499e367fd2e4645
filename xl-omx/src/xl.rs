//! What only `xl` can do: create a domain, destroy one, say whether it stands still, and what it knows of the host.
//!
//! xl creates in the background a process that acts on the domain's end as its configuration says. What xl says on
//! standard error is passed on.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;

/// The program, found as any other.
const PROGRAM: &str = "xl";

/// How long one that is asked may take. It reads xenstore, which may be busy.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of an answer at most.
const ANSWER_MAX: u64 = 1 << 20;

/// An `xl` that has not ended yet.
pub struct Running {
    child: Child,
    command: String,
}

impl Running {
    fn start(arguments: &[&str]) -> Result<Self, Error> {
        let (mut program, command) = asked(arguments);
        Self::spawn(program.stdout(Stdio::null()), command)
    }

    fn spawn(program: &mut Command, command: String) -> Result<Self, Error> {
        match program.stdin(Stdio::null()).spawn() {
            Ok(child) => Ok(Self { child, command }),
            Err(source) => Err(Error::NoXl { command, source }),
        }
    }

    /// Whether it has done its work; `None` while it is at it.
    pub fn ended(&mut self) -> Option<Result<(), Error>> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) if status.success() => Some(Ok(())),
            Ok(Some(status)) => Some(Err(self.failed(status))),
            Err(source) => Some(Err(Error::NoXl {
                command: self.command.clone(),
                source,
            })),
        }
    }

    fn failed(&self, status: ExitStatus) -> Error {
        Error::Xl {
            command: self.command.clone(),
            status: status.to_string(),
        }
    }
}

/// The program with arguments, and how that is shown.
fn asked(arguments: &[&str]) -> (Command, String) {
    let mut program = Command::new(PROGRAM);
    program.args(arguments);
    (program, [&[PROGRAM], arguments].concat().join(" "))
}

/// Begins to create a domain of that name, whatever name its configuration has.
pub fn create(configuration: &Path, name: &str) -> Result<Running, Error> {
    let file = configuration.to_string_lossy();
    Running::start(&["create", "-q", &file, &format!("name={}", quoted(name)?)])
}

/// Begins to destroy a domain.
pub fn destroy(id: u32) -> Result<Running, Error> {
    Running::start(&["destroy", &id.to_string()])
}

/// What it prints when it is asked something that changes nothing.
pub fn answer(arguments: &[&str]) -> Result<String, Error> {
    let (program, command) = asked(arguments);
    answer_of(program, command, PATIENCE)
}

fn answer_of(mut program: Command, command: String, patience: Duration) -> Result<String, Error> {
    let until = Instant::now() + patience;
    let mut running = Running::spawn(program.stdout(Stdio::piped()), command)?;
    let (told, bytes) = mpsc::channel();
    if let Some(output) = running.child.stdout.take() {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            // What could be read until it broke counts: how it ends says whether that is all.
            let _ = output.take(ANSWER_MAX).read_to_end(&mut bytes);
            let _ = told.send(bytes);
        });
    }
    let left = || until.saturating_duration_since(Instant::now());
    let bytes = bytes.recv_timeout(left());
    loop {
        match (running.ended(), &bytes) {
            (Some(result), Ok(bytes)) => {
                result?;
                return Ok(String::from_utf8_lossy(bytes).into_owned());
            }
            (None, Ok(_)) if !left().is_zero() => thread::sleep(Duration::from_millis(5)),
            _ => {
                // It may have ended by itself just now.
                let _ = running.child.kill();
                let _ = running.child.wait();
                return Err(Error::XlSilent {
                    command: running.command,
                    waited: patience,
                });
            }
        }
    }
}

/// Whether a domain answers nobody any more: it is paused, has ended, or is gone. One that `xl destroy` destroys runs until
/// libxl has its cards back.
pub fn stands_still(id: u32) -> Result<bool, Error> {
    let arguments = ["list", &id.to_string()];
    let output = Command::new(PROGRAM)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::NoXl {
            command: format!("{PROGRAM} list {id}"),
            source,
        })?;
    Ok(still(&String::from_utf8_lossy(&output.stdout)))
}

/// What the table of `xl list <domain>` says: its state is the last column but one, a letter or a line for each of running,
/// blocked, paused, shut down, crashed, dying.
fn still(table: &str) -> bool {
    let Some(line) = table.lines().nth(1) else {
        return true;
    };
    let state = line.split_whitespace().rev().nth(1).unwrap_or_default();
    state.contains(['p', 's', 'c', 'd'])
}

/// A name as a string of xl's configuration, which knows no escapes.
fn quoted(name: &str) -> Result<String, Error> {
    let quote = ['"', '\''].into_iter().find(|quote| !name.contains(*quote));
    match quote {
        Some(quote) if !name.contains('\n') => Ok(format!("{quote}{name}{quote}")),
        _ => Err(Error::Unquotable(name.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `xl list driver-domain` of Xen 4.17 printed while that domain was blocked.
    const BLOCKED: &str = include_str!("../tests/captures/xl-list.txt");

    #[test]
    fn a_domain_that_is_paused_ended_or_gone_stands_still_and_no_other() {
        let table = |state| BLOCKED.replace("-b----", state);
        for state in ["r-----", "-b----", "------"] {
            assert!(!still(&table(state)), "{state}");
        }
        for state in ["--p---", "---s--", "---sc-", "-----d", "--p--d"] {
            assert!(still(&table(state)), "{state}");
        }
        assert!(!still(&BLOCKED.replace("driver-domain", "a driver domain")));
        let heading = BLOCKED.lines().next().unwrap();
        assert!(still("") && still(heading));
    }

    /// What a shell's script says, in the place of xl.
    fn answered(script: &str, patience: Duration) -> Result<String, Error> {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        answer_of(shell, "xl".into(), patience)
    }

    #[test]
    fn an_answer_is_what_xl_printed_if_it_says_that_this_is_all() {
        let long = Duration::from_secs(600);
        assert_eq!(answered("echo a; echo b", long).unwrap(), "a\nb\n");
        assert!(matches!(
            answered("echo a; exit 1", long),
            Err(Error::Xl { .. })
        ));
        assert!(answered("exec yes", long).is_err(), "it never ends");
        let gone = answer_of(Command::new("/nowhere/xl"), "xl".into(), long);
        assert!(matches!(gone, Err(Error::NoXl { .. })));
    }

    #[test]
    fn an_xl_that_does_not_end_is_not_waited_for_for_ever() {
        let short = Duration::from_millis(200);
        for script in ["exec sleep 1000", "echo a; exec sleep 1000 >&-"] {
            let answer = answered(script, short);
            assert!(
                matches!(answer, Err(Error::XlSilent { .. })),
                "{script}: {answer:?}"
            );
        }
    }

    #[test]
    fn a_name_becomes_a_string_that_xl_reads_or_is_refused() {
        assert_eq!(quoted("driver-domain").unwrap(), "\"driver-domain\"");
        assert_eq!(quoted("a \"b\"").unwrap(), "'a \"b\"'");
        for name in ["'\"", "a\nb"] {
            assert!(quoted(name).is_err());
        }
    }
}
