//! Commands in the host's domains. One connection to dom0's agent carries all of them.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use lab_agent::{Line, Message};

use crate::error::{At, Error};
use crate::stall_timeout::StallTimeout;

/// What a command printed, and how it ended.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// Its exit status; 128 + n after signal n.
    pub status: i32,
}

impl Output {
    /// Its standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Its standard output as text, if it ended well.
    pub fn expect_success(self, domain: &str, command: &[&str]) -> Result<String, Error> {
        if self.status == 0 {
            return Ok(self.text());
        }
        Err(Error::Inside {
            domain: domain.into(),
            command: command.join(" "),
            status: self.status,
            output: [self.stdout, self.stderr]
                .map(|b| String::from_utf8_lossy(&b).into_owned())
                .concat(),
        })
    }
}

type Waiting = Arc<Mutex<HashMap<u32, Sender<Message>>>>;

/// The connection.
#[derive(Clone)]
pub struct Sessions {
    agent: Arc<Mutex<UnixStream>>,
    waiting: Waiting,
    next: Arc<AtomicU32>,
}

impl Sessions {
    /// Connects to the agent's socket, which QEMU makes as one of its first acts.
    pub fn connect(socket: &Path) -> Result<Self, Error> {
        let mut timeout = StallTimeout::new(Duration::from_secs(10));
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(error) if timeout.is_over() => {
                    return Err(error).at("connect to", socket);
                }
                Err(_) => thread::sleep(Duration::from_millis(50)),
            }
        };
        let reader = BufReader::new(stream.try_clone().at("read", socket)?);
        let waiting = Waiting::default();
        let known = Arc::clone(&waiting);
        thread::spawn(move || dispatch(reader, &known));
        Ok(Self {
            agent: Arc::new(Mutex::new(stream)),
            waiting,
            next: Arc::new(AtomicU32::new(1)),
        })
    }

    /// Starts a command.
    pub fn spawn(&self, domain: &str, command: &[&str]) -> Result<Session, Error> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, messages) = channel();
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, sender);
        let session = Session {
            sessions: self.clone(),
            domain: domain.into(),
            command: command.join(" "),
            id,
            messages,
        };
        session.send(Message::Run(
            command.iter().map(|word| word.to_string()).collect(),
        ))?;
        Ok(session)
    }

    /// Runs a command to its end.
    pub fn exec(&self, domain: &str, command: &[&str], limit: Duration) -> Result<Output, Error> {
        self.spawn(domain, command)?.wait(limit)
    }
}

fn dispatch(reader: impl BufRead, waiting: &Waiting) {
    for text in reader.split(b'\n') {
        let Ok(text) = text else { break };
        let Some(line) = Line::parse(&String::from_utf8_lossy(&text)) else {
            continue;
        };
        let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = waiting.get(&line.session) {
            let _ = sender.send(line.message);
        }
    }
    // The host has gone: nobody waits any longer.
    waiting
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clear();
}

/// How often a wait looks at the time.
const SLICE: Duration = Duration::from_millis(200);

/// A command that was started.
pub struct Session {
    sessions: Sessions,
    domain: String,
    command: String,
    id: u32,
    messages: Receiver<Message>,
}

impl Session {
    fn send(&self, message: Message) -> Result<(), Error> {
        let line = Line {
            domain: self.domain.clone(),
            session: self.id,
            message,
        };
        let mut agent = self
            .sessions
            .agent
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        agent
            .write_all(line.text().as_bytes())
            .map_err(|error| self.lost(&error.to_string()))
    }

    fn lost(&self, reason: &str) -> Error {
        Error::Lost {
            domain: self.domain.clone(),
            command: self.command.clone(),
            reason: reason.into(),
        }
    }

    /// Kills the command (SIGKILL).
    pub fn kill(&self) -> Result<(), Error> {
        self.send(Message::Kill)
    }

    /// What it says next, within a time.
    pub fn next(&self, limit: Duration) -> Result<Message, Error> {
        match self.messages.recv_timeout(limit) {
            Ok(message) => Ok(message),
            Err(RecvTimeoutError::Timeout) => Err(Error::Timeout {
                domain: self.domain.clone(),
                command: self.command.clone(),
                seconds: limit.as_secs(),
            }),
            Err(RecvTimeoutError::Disconnected) => Err(self.lost("the host has ended")),
        }
    }

    /// Waits for its end. A command that prints nothing for so long is killed: what goes on is never ended by a clock, and
    /// what it says on standard error ("still trying") is no progress.
    pub fn wait(self, limit: Duration) -> Result<Output, Error> {
        let mut timeout = StallTimeout::new(limit);
        let mut output = Output::default();
        loop {
            match self.next(SLICE) {
                Ok(Message::Out(bytes)) => {
                    output.stdout.extend(bytes);
                    timeout.renew();
                }
                Ok(Message::Err(bytes)) => output.stderr.extend(bytes),
                Ok(Message::Exit(status)) => {
                    output.status = status;
                    return Ok(output);
                }
                Ok(Message::Lost(reason)) => return Err(self.lost(&reason)),
                Ok(Message::Run(_) | Message::Kill) => {}
                Err(Error::Timeout { .. }) if !timeout.is_over() => {}
                Err(Error::Timeout {
                    domain, command, ..
                }) => {
                    let _ = self.kill();
                    return Err(Error::Timeout {
                        domain,
                        command,
                        seconds: timeout.seconds(),
                    });
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.sessions
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.id);
    }
}
