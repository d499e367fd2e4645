//! A host that stays: a process of its own owns QEMU and answers on a socket, in the agents' own language.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use lab_agent::{Line, Message};

use super::{Host, HostSpec, SELF, client, control_socket, only_one};
use crate::error::{At, Error};

/// Starts a keeper that outlives this process, and waits until its host runs commands.
pub fn up(spec: &HostSpec) -> Result<(), Error> {
    // The keeper would wait, too, but nobody reads what it says.
    drop(only_one::wait()?);
    let directory = &spec.directory;
    std::fs::create_dir_all(directory).at("create", directory)?;
    let description = directory.join("spec.json");
    let text = serde_json::to_string(spec).unwrap_or_default();
    std::fs::write(&description, text).at("write", &description)?;
    let log = directory.join("keeper.log");
    let output = std::fs::File::create(&log).at("create", &log)?;
    let errors = output.try_clone().at("write", &log)?;
    let program = std::env::current_exe().at("find", "this program")?;
    let mut child = Command::new("setsid")
        .arg(program)
        .arg("keep")
        .arg(&description)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(|source| Error::Start {
            program: "setsid".into(),
            source,
        })?;
    // The keeper itself gives up when its host does not come up, and says why.
    while !client::is_up() {
        if !matches!(child.try_wait(), Ok(None)) {
            return Err(Error::Keeper {
                tail: super::tail(&log),
                log,
            });
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// The keeper's own life: until it is told to go.
pub fn keep(description: &Path) -> Result<(), Error> {
    let text = std::fs::read_to_string(description).at("read", description)?;
    let spec: HostSpec =
        serde_json::from_str(&text).map_err(|error| Error::Spec(error.to_string()))?;
    let host = Arc::new(Host::start(&spec)?);
    let socket = control_socket();
    let _ = std::fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).at("create", &socket)?;
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let host = Arc::clone(&host);
        thread::spawn(move || serve(&host, stream));
    }
    Ok(())
}

/// One client: it may start several commands.
fn serve(host: &Arc<Host>, stream: UnixStream) {
    let Ok(reader) = stream.try_clone().map(BufReader::new) else {
        return;
    };
    let answers = Arc::new(Mutex::new(stream));
    for text in reader.lines() {
        let Some(line) = text.ok().as_deref().and_then(Line::parse) else {
            continue;
        };
        let Message::Run(command) = line.message else {
            continue;
        };
        if line.domain == SELF {
            match command.first().map(String::as_str) {
                Some("down") => {
                    let _ = std::fs::remove_file(control_socket());
                    // QEMU dies with this process.
                    std::process::exit(0);
                }
                Some("link") => {
                    let up = command.get(1).is_some_and(|state| state == "up");
                    let done = match host.set_link(up) {
                        Ok(()) => Message::Exit(0),
                        Err(error) => Message::Lost(error.to_string()),
                    };
                    answer(&answers, &line.domain, line.session, done);
                }
                _ => answer(&answers, &line.domain, line.session, Message::Exit(0)),
            }
            continue;
        }
        let (host, answers) = (Arc::clone(host), Arc::clone(&answers));
        let (domain, client_session) = (line.domain, line.session);
        thread::spawn(move || {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            let session = match host.spawn(&domain, &words) {
                Ok(session) => session,
                Err(error) => {
                    return answer(
                        &answers,
                        &domain,
                        client_session,
                        Message::Lost(error.to_string()),
                    );
                }
            };
            loop {
                let message = match session.next(Duration::from_secs(3600)) {
                    Ok(message) => message,
                    Err(error) => Message::Lost(error.to_string()),
                };
                let last = matches!(message, Message::Exit(_) | Message::Lost(_));
                answer(&answers, &domain, client_session, message);
                if last {
                    return;
                }
            }
        });
    }
}

fn answer(to: &Mutex<UnixStream>, domain: &str, session: u32, message: Message) {
    let line = Line {
        domain: domain.into(),
        session,
        message,
    };
    let mut to = to.lock().unwrap_or_else(PoisonError::into_inner);
    // A client that has gone needs no answer.
    let _ = to.write_all(line.text().as_bytes());
}
