//! Commands of other domains: their consoles are terminals of xenconsoled in dom0.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use lab_agent::{Line, Message};

use crate::sink::{Sink, make_raw};

/// The consoles that were opened, by domain number: a domain that was created again has another.
pub struct Relay {
    sink: Arc<Sink>,
    consoles: HashMap<u32, Console>,
}

struct Console {
    file: File,
    /// The sessions that are told when the console ends.
    sessions: Arc<Mutex<Vec<u32>>>,
}

impl Relay {
    /// Relays answers to `sink`.
    pub fn new(sink: Arc<Sink>) -> Self {
        Self {
            sink,
            consoles: HashMap::new(),
        }
    }

    /// Sends a line on, or says why that is not possible.
    pub fn forward(&mut self, line: &Line) {
        if let Err(reason) = self.try_forward(line) {
            let message = Message::Lost(format!("cannot reach {}: {reason}", line.domain));
            self.sink.send(&Line {
                message,
                ..line.clone()
            });
        }
    }

    fn try_forward(&mut self, line: &Line) -> io::Result<()> {
        let id: u32 = ask(&["xl", "domid", &line.domain])?
            .parse()
            .map_err(|_| io::Error::other("there is no such domain"))?;
        let console = match self.consoles.entry(id) {
            std::collections::hash_map::Entry::Occupied(found) => found.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(open(id, &line.domain, &self.sink)?)
            }
        };
        console
            .sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line.session);
        console.file.write_all(line.text().as_bytes())
    }
}

fn open(id: u32, domain: &str, sink: &Arc<Sink>) -> io::Result<Console> {
    let path = ask(&["xenstore-read", &format!("/local/domain/{id}/console/tty")])?;
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    make_raw(&file)?;
    let sessions: Arc<Mutex<Vec<u32>>> = Arc::default();
    let (from, known) = (BufReader::new(file.try_clone()?), Arc::clone(&sessions));
    let (sink, domain) = (Arc::clone(sink), domain.to_owned());
    thread::spawn(move || {
        pass_answers(from, &sink, &known);
        for session in known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
        {
            let message = Message::Lost("its domain has ended".into());
            sink.send(&Line {
                domain: domain.clone(),
                session,
                message,
            });
        }
    });
    Ok(Console { file, sessions })
}

/// Until the console ends. What is no answer is the domain's log, which xenconsoled keeps.
fn pass_answers(mut from: BufReader<File>, sink: &Sink, sessions: &Mutex<Vec<u32>>) {
    let mut text = Vec::new();
    while matches!(from.read_until(b'\n', &mut text), Ok(1..)) {
        if let Some(line) = Line::parse(&String::from_utf8_lossy(&text)) {
            if matches!(line.message, Message::Exit(_) | Message::Lost(_)) {
                let mut sessions = sessions.lock().unwrap_or_else(PoisonError::into_inner);
                sessions.retain(|session| *session != line.session);
            }
            sink.send(&line);
        }
        text.clear();
    }
}

fn ask(words: &[&str]) -> io::Result<String> {
    let output = Command::new(words[0]).args(&words[1..]).output()?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(io::Error::other(reason));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
