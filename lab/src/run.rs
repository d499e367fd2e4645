//! Running a program to its end, with its output in a log.

use crate::error::{At, Error};
use crate::place;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// How many lines of a failed program's output an error shows.
const TAIL_LINES: usize = 40;

/// A program to be run to its end.
pub struct Run {
    command: Command,
    log: String,
}

impl Run {
    /// `program`, in the repository's root, with its output in the log called `log`.
    ///
    /// Cargo tells the programs that it runs by `RUSTUP_TOOLCHAIN` which toolchain it is of, and that would hide the
    /// repository's `rust-toolchain.toml` from rustup and from every other cargo.
    pub fn new(program: &str, log: &str) -> Self {
        let mut command = Command::new(program);
        command
            .current_dir(place::repository())
            .env_remove("RUSTUP_TOOLCHAIN")
            .stdin(Stdio::null());
        Run {
            command,
            log: log.to_owned(),
        }
    }

    /// Appends arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it in another directory.
    pub fn within(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Runs the program and returns all it printed; an exit status other than 0 is an error that shows its last lines.
    pub fn output(mut self) -> Result<String, Error> {
        let directory = place::work().join("logs");
        fs::create_dir_all(&directory).at("create", &directory)?;
        let log = directory.join(format!("{}.log", self.log));
        let file = fs::File::create(&log).at("create", &log)?;
        let second = file.try_clone().at("write", &log)?;
        self.command.stdout(file).stderr(second);
        let program = self.command.get_program().to_string_lossy().into_owned();
        let status = self
            .command
            .status()
            .map_err(|source| Error::Start { program, source })?;
        let output = String::from_utf8_lossy(&fs::read(&log).at("read", &log)?).into_owned();
        if status.success() {
            return Ok(output);
        }
        Err(Error::Failed {
            command: self.line(),
            status,
            tail: tail(&output),
            log,
        })
    }

    fn line(&self) -> String {
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        words
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

fn tail(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_program_shows_its_status_and_its_last_lines() {
        let run = Run::new("sh", "self-test-run").args(["-c", "seq 100; exit 3"]);
        let error = run.output().unwrap_err().to_string();
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(
            error.contains("\n61\n") && !error.contains("\n60\n"),
            "{error}"
        );
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Run::new("no-such-program", "self-test-missing")
            .output()
            .unwrap_err();
        assert!(error.to_string().contains("no-such-program"), "{error}");
    }
}
