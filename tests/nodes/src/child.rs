//! A child process that does not outlive its test.

use std::io::{BufRead, BufReader, Read};
use std::process::{ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A running program.
pub struct Child {
    child: std::process::Child,
    output: BufReader<ChildStdout>,
}

impl Child {
    /// Starts a program with these variables in its environment.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
        let output = BufReader::new(child.stdout.take().expect("its output is piped"));
        Self { child, output }
    }

    /// Waits until it says this word on a line of its own.
    ///
    /// # Panics
    /// When it ends before.
    pub fn wait_for_word(&mut self, word: &str) {
        let mut line = String::new();
        while line.trim_end() != word {
            line.clear();
            let read = self.output.read_line(&mut line).expect("its output");
            assert!(read > 0, "the process ended before it said '{word}'");
        }
    }

    /// Waits for its end; what it has said since it was last heard.
    ///
    /// # Panics
    /// When it does not end well.
    pub fn said(mut self) -> String {
        let mut said = String::new();
        let read = self.output.read_to_string(&mut said);
        read.expect("its output");
        let status = self.child.wait().expect("a child");
        assert!(status.success(), "the process ended by {status}: {said}");
        said
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(mut self) {
        self.end();
    }

    /// Asks it to end, and waits.
    ///
    /// # Panics
    /// When it cannot be asked.
    pub fn terminate(&mut self) -> ExitStatus {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).expect("the process is there");
        self.child.wait().expect("a child")
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}
