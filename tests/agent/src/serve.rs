//! Commands of the own domain.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use lab_agent::{Line, Message};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::relay::Relay;
use crate::sink::Sink;

/// Bytes of output that go into one line.
const CHUNK: usize = 600;

/// Commands by their sessions, to be killed.
type Running = Arc<Mutex<HashMap<u32, OwnedFd>>>;

/// Reads lines for ever and does what they say.
pub fn serve(device: File, sink: Arc<Sink>, relay: bool) -> io::Result<()> {
    let running: Running = Arc::default();
    let mut relay = relay.then(|| Relay::new(Arc::clone(&sink)));
    let mut device = BufReader::new(device);
    let mut text = Vec::new();
    loop {
        text.clear();
        if device.read_until(b'\n', &mut text)? == 0 {
            // A virtio port without reader on the other side reads as ended: wait for the next one.
            thread::sleep(std::time::Duration::from_millis(200));
            continue;
        }
        let Some(line) = Line::parse(&String::from_utf8_lossy(&text)) else {
            continue;
        };
        match (&mut relay, line.domain.as_str()) {
            (Some(relay), domain) if domain != "dom0" => relay.forward(&line),
            _ => own(line, &sink, &running),
        }
    }
}

fn own(line: Line, sink: &Arc<Sink>, running: &Running) {
    let Line {
        domain,
        session,
        message,
    } = line;
    match message {
        Message::Run(arguments) => {
            let tell = Teller {
                sink: Arc::clone(sink),
                domain,
                session,
            };
            if let Err(error) = start(&arguments, &tell, running) {
                let command = arguments.join(" ");
                tell.say(Message::Lost(format!("cannot run `{command}`: {error}")));
            }
        }
        Message::Kill => {
            let running = running.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(process) = running.get(&session) {
                // One that has ended needs no signal.
                let _ = pidfd_send_signal(process, Signal::KILL);
            }
        }
        _ => {}
    }
}

/// Says things about one session.
#[derive(Clone)]
struct Teller {
    sink: Arc<Sink>,
    domain: String,
    session: u32,
}

impl Teller {
    fn say(&self, message: Message) {
        self.sink.send(&Line {
            domain: self.domain.clone(),
            session: self.session,
            message,
        });
    }
}

fn start(arguments: &[String], tell: &Teller, running: &Running) -> io::Result<()> {
    let (program, rest) = arguments
        .split_first()
        .ok_or_else(|| io::Error::other("no command was given"))?;
    let mut child = Command::new(program)
        .args(rest)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let process = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
    running
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(tell.session, process);
    let readers = [
        out.map(|from| pass_on(from, tell.clone(), Message::Out)),
        err.map(|from| pass_on(from, tell.clone(), Message::Err)),
    ];
    let (tell, running) = (tell.clone(), Arc::clone(running));
    thread::spawn(move || {
        for reader in readers.into_iter().flatten() {
            let _ = reader.join();
        }
        // Both pipes have ended; the command, whose output may go elsewhere, need not have.
        let status = child.wait();
        running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&tell.session);
        tell.say(match status {
            Ok(status) => {
                Message::Exit(status.code().unwrap_or(128 + status.signal().unwrap_or(0)))
            }
            Err(error) => Message::Lost(error.to_string()),
        });
    });
    Ok(())
}

fn pass_on(
    mut from: impl Read + Send + 'static,
    tell: Teller,
    wrap: fn(Vec<u8>) -> Message,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut chunk = [0; CHUNK];
        while let Ok(length @ 1..) = from.read(&mut chunk) {
            tell.say(wrap(chunk[..length].to_vec()));
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// What the agent says, a line at a time.
    struct Heard(BufReader<io::PipeReader>);

    impl Heard {
        fn line(&mut self) -> Line {
            let mut text = String::new();
            self.0
                .read_line(&mut text)
                .expect("the agent's end is open");
            Line::parse(&text).expect("a line of the agent")
        }
    }

    fn run(session: u32, words: &[&str]) -> Line {
        let arguments = words.iter().map(|word| (*word).to_owned()).collect();
        Line {
            domain: "dom0".into(),
            session,
            message: Message::Run(arguments),
        }
    }

    #[test]
    fn a_command_whose_output_goes_elsewhere_keeps_no_other_waiting_and_can_be_killed() {
        let (from, to) = io::pipe().expect("a pipe");
        let sink = Arc::new(Sink::new(File::from(OwnedFd::from(to))));
        let mut heard = Heard(BufReader::new(from));
        let running = Running::default();
        let begun = Instant::now();
        own(
            run(1, &["sh", "-c", "exec sleep 60 >/dev/null 2>&1"]),
            &sink,
            &running,
        );
        thread::sleep(Duration::from_millis(200));
        own(run(2, &["true"]), &sink, &running);
        let ended = heard.line();
        assert_eq!((ended.session, ended.message), (2, Message::Exit(0)));
        own(
            Line {
                message: Message::Kill,
                ..run(1, &[])
            },
            &sink,
            &running,
        );
        let killed = heard.line();
        assert_eq!(
            (killed.session, killed.message),
            (1, Message::Exit(128 + 9))
        );
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}
