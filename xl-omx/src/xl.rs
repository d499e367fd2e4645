//! What only `xl` can do: create a domain, destroy one, and say whether it stands still.
//!
//! xl creates in the background a process that acts on the domain's end as its configuration says. What xl says on
//! standard error is passed on.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::error::Error;

/// The program, found as any other.
const PROGRAM: &str = "xl";

/// An `xl` that has not ended yet.
pub struct Running {
    child: Child,
    command: String,
}

impl Running {
    fn start(arguments: &[&str]) -> Result<Self, Error> {
        let command = [&[PROGRAM], arguments].concat().join(" ");
        let spawned = Command::new(PROGRAM)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        match spawned {
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

/// Begins to create a domain of that name, whatever name its configuration has.
pub fn create(configuration: &Path, name: &str) -> Result<Running, Error> {
    let file = configuration.to_string_lossy();
    Running::start(&["create", "-q", &file, &format!("name={}", quoted(name)?)])
}

/// Begins to destroy a domain.
pub fn destroy(id: u32) -> Result<Running, Error> {
    Running::start(&["destroy", &id.to_string()])
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

    #[test]
    fn a_name_becomes_a_string_that_xl_reads_or_is_refused() {
        assert_eq!(quoted("driver-domain").unwrap(), "\"driver-domain\"");
        assert_eq!(quoted("a \"b\"").unwrap(), "'a \"b\"'");
        for name in ["'\"", "a\nb"] {
            assert!(quoted(name).is_err());
        }
    }
}
