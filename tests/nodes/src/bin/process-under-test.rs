#![forbid(unsafe_code)]
//! A process that uses a node, to be watched and killed:
//!
//! * `echo <socket> <endpoint>` receives all, and sends back what has match info;
//! * `pour <socket> <peer> <endpoint>` sends messages of 4 MiB without end;
//! * `play <socket> <peer> <endpoint>` sends 8 bytes to an echo and waits for them, without end;
//! * `return <socket> <endpoint>` opens two endpoints, receives on the second, and sends back on the first, to the first
//!   of the sender.
//!
//! Each says `ready` when it has opened its endpoint, and `busy` when the first messages have arrived.

use std::collections::HashMap;
use std::io::Write;
use std::process::ExitCode;

use nodes::{KEY, MESSAGE_MAX, name_of};
use open_mx::{Address, Backend, Buffer, Code, Endpoint, EndpointOptions, Error};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["echo", socket, endpoint] => echo(socket, endpoint.parse().ok()),
        ["pour", socket, peer, endpoint] => pour(socket, peer, endpoint.parse().unwrap_or(0)),
        ["play", socket, peer, endpoint] => play(socket, peer, endpoint.parse().unwrap_or(0)),
        ["return", socket, endpoint] => return_on_another(socket, endpoint.parse().unwrap_or(0)),
        _ => {
            eprintln!("process-under-test echo|pour|play|return <socket> …");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", arguments[0]);
            ExitCode::FAILURE
        }
    }
}

fn say(word: &str) {
    println!("{word}");
    // Whoever listens may have gone.
    let _ = std::io::stdout().flush();
}

fn open(socket: &str, endpoint: Option<u32>) -> Result<Endpoint, Error> {
    let endpoint = open_silently(socket, endpoint)?;
    say("ready");
    Ok(endpoint)
}

fn open_silently(socket: &str, endpoint: Option<u32>) -> Result<Endpoint, Error> {
    nodes::let_anyone_trace();
    let options = EndpointOptions {
        endpoint,
        ..EndpointOptions::new(KEY)
    };
    Endpoint::open(&Backend::Socket(socket.into()), &options)
}

fn echo(socket: &str, endpoint: Option<u32>) -> Result<(), Error> {
    let own = open(socket, endpoint)?;
    let buffer = Buffer::new(MESSAGE_MAX)?;
    let mut known: HashMap<_, Address> = HashMap::new();
    loop {
        let request = own.irecv(buffer.part(0, MESSAGE_MAX)?, 0, 0, 0)?;
        let Some(status) = own.wait(request, None)? else {
            continue;
        };
        // A message whose sender died on the way is received with an error.
        if status.code != Code::Success || status.match_info == 0 {
            continue;
        }
        let from = status.address.ok_or(Error::Confused)?;
        let name = (from.nic_id, from.endpoint, from.session);
        let back = match known.get(&name) {
            Some(address) => *address,
            None => match own.connect(from.nic_id, from.endpoint, KEY, Some(nodes::TIMEOUT)) {
                Ok(address) => *known.entry(name).or_insert(address),
                // A sender that has died meanwhile gets no answer.
                Err(_) => continue,
            },
        };
        let length = status.transferred as usize;
        let request = own.isend(buffer.part(0, length)?, back, status.match_info, 0, false)?;
        own.wait(request, Some(nodes::TIMEOUT))?;
    }
}

fn connect(own: &Endpoint, peer: &str, endpoint: u32) -> Result<Address, Error> {
    let nic_id = own.with_board(|board| board.nic_id_by_hostname(&name_of(peer)))?;
    own.connect(nic_id, endpoint, KEY, Some(nodes::TIMEOUT))
}

fn pour(socket: &str, peer: &str, endpoint: u32) -> Result<(), Error> {
    let own = open(socket, None)?;
    let to = connect(&own, peer, endpoint)?;
    let buffer = Buffer::new(MESSAGE_MAX)?;
    let mut poured = 0;
    loop {
        let request = own.isend(buffer.part(0, MESSAGE_MAX)?, to, 0, 0, false)?;
        own.wait(request, None)?;
        poured += 1;
        if poured == 3 {
            say("busy");
        }
    }
}

fn play(socket: &str, peer: &str, endpoint: u32) -> Result<(), Error> {
    let own = open(socket, None)?;
    let to = connect(&own, peer, endpoint)?;
    let buffer = Buffer::new(8)?;
    let mut rounds = 0_u64;
    loop {
        let receive = own.irecv(buffer.part(0, 8)?, 0, 0, 0)?;
        let send = own.isend(buffer.part(0, 8)?, to, rounds + 1, 0, false)?;
        own.wait(send, None)?;
        own.wait(receive, None)?;
        rounds += 1;
        if rounds == 100 {
            say("busy");
        }
    }
}

/// What comes has the match info of its sender's first endpoint's index.
fn return_on_another(socket: &str, endpoint: u32) -> Result<(), Error> {
    let first = open_silently(socket, Some(endpoint))?;
    let second = open(socket, Some(endpoint + 1))?;
    let buffer = Buffer::new(MESSAGE_MAX)?;
    let mut back = None;
    loop {
        let request = second.irecv(buffer.part(0, MESSAGE_MAX)?, 0, 0, 0)?;
        let Some(status) = second.wait(request, None)? else {
            continue;
        };
        let to = match back {
            Some(to) => to,
            None => {
                let from = status.address.ok_or(Error::Confused)?;
                let endpoint = status.match_info as u32;
                first.connect(from.nic_id, endpoint, KEY, Some(nodes::TIMEOUT))?
            }
        };
        back = Some(to);
        let part = buffer.part(0, status.transferred as usize)?;
        let request = first.isend(part, to, 0, 0, false)?;
        first.wait(request, None)?;
    }
}
