//! What a program says on standard error, line by line, while it runs.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long anything may take on a busy machine before it counts as hung.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A running program, killed with its test.
pub struct Saying {
    child: Child,
    lines: Receiver<String>,
}

impl Saying {
    /// Starts it. What it prints is not looked at.
    pub fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("a program");
        let errors = BufReader::new(child.stderr.take().expect("piped"));
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            // The other end goes with the test.
            for line in errors.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        Self { child, lines }
    }

    /// The next line, which it says in time, and lives on.
    pub fn next_line(&mut self) -> String {
        let line = self.lines.recv_timeout(TIMEOUT).expect("a line in time");
        std::thread::sleep(Duration::from_millis(100));
        let ended = self.child.try_wait().expect("a child");
        assert!(ended.is_none(), "it has given up: {line}");
        line
    }
}

impl Drop for Saying {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
