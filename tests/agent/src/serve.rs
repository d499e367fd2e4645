//! Commands of the own domain.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use lab_agent::{Line, Message};

use crate::relay::Relay;
use crate::sink::Sink;

/// Bytes of output that go into one line.
const CHUNK: usize = 600;

type Running = Arc<Mutex<HashMap<u32, Child>>>;

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
            let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(child) = running.get_mut(&session) {
                let _ = child.kill();
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
    running
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(tell.session, child);
    let readers = [
        out.map(|from| pass_on(from, tell.clone(), Message::Out)),
        err.map(|from| pass_on(from, tell.clone(), Message::Err)),
    ];
    let (tell, running) = (tell.clone(), Arc::clone(running));
    thread::spawn(move || {
        for reader in readers.into_iter().flatten() {
            let _ = reader.join();
        }
        // Both pipes have ended, so the wait is short and may hold the table.
        let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
        let status = running.get_mut(&tell.session).map(Child::wait);
        running.remove(&tell.session);
        drop(running);
        match status {
            Some(Ok(status)) => {
                let code = status.code().unwrap_or(128 + status.signal().unwrap_or(0));
                tell.say(Message::Exit(code));
            }
            Some(Err(error)) => tell.say(Message::Lost(error.to_string())),
            None => {}
        }
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
