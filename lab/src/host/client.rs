//! Asking the host that `cargo lab up` keeps.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use lab_agent::{Line, Message};

use super::{SELF, control_socket};
use crate::error::{At, Error};

fn connect() -> Result<UnixStream, Error> {
    UnixStream::connect(control_socket()).map_err(|_| Error::NoHost)
}

/// Whether a host is kept and answers.
pub fn is_up() -> bool {
    run(SELF, &["ping".into()]).is_ok_and(|status| status == 0)
}

/// Ends the host.
pub fn down() -> Result<(), Error> {
    match run(SELF, &["down".into()]) {
        // It ends before it answers.
        Err(Error::Lost { .. }) | Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Plugs the cable of the host's card in ("up"), or pulls it ("down").
pub fn link(state: &str) -> Result<i32, Error> {
    run(SELF, &["link".into(), state.into()])
}

/// Runs a command in a domain, passing on what it prints; returns its exit status.
pub fn run(domain: &str, command: &[String]) -> Result<i32, Error> {
    let mut stream = connect()?;
    let line = Line {
        domain: domain.into(),
        session: 1,
        message: Message::Run(command.to_vec()),
    };
    let socket = control_socket();
    stream
        .write_all(line.text().as_bytes())
        .at("write to", &socket)?;
    for text in BufReader::new(stream).lines() {
        let Some(line) = text.ok().as_deref().and_then(Line::parse) else {
            continue;
        };
        match line.message {
            Message::Out(bytes) => omx_output::write_bytes(&bytes),
            Message::Err(bytes) => omx_output::write_error_bytes(&bytes),
            Message::Exit(status) => return Ok(status),
            Message::Lost(reason) => return Err(lost(domain, command, &reason)),
            Message::Run(_) | Message::Kill => {}
        }
    }
    Err(lost(domain, command, "the host has ended"))
}

fn lost(domain: &str, command: &[String], reason: &str) -> Error {
    Error::Lost {
        domain: domain.into(),
        command: command.join(" "),
        reason: reason.into(),
    }
}

/// Prints the log of a domain: dom0's is what it and Xen wrote to the host's console, a guest's what dom0 kept of its
/// console, without what the lab itself said there.
pub fn log(domain: &str) -> Result<i32, Error> {
    if domain == "dom0" {
        let path = crate::place::work().join("host/dom0.log");
        let text = std::fs::read(&path).at("read", &path)?;
        omx_output::write_bytes(&text);
        return Ok(0);
    }
    let pattern = format!("/var/log/xen/console/guest-{domain}.log");
    run(
        "dom0",
        &["grep".into(), "-v".into(), "@lab ".into(), pattern],
    )
}
