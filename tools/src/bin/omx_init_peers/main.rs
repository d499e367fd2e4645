//! `omx_init_peers`: peers that boards do not have to discover.

#[macro_use]
extern crate omx_output;

mod options;
mod peers;

use std::process::ExitCode;

use mx_ring::admin::Change;
use omx_tools::ToolOptions;
use open_mx::board::Board;
use open_mx::{Backend, Code, Error};
use options::{Choice, USAGE, What};
use peers::{BadLine, Peer};

/// Why the tool ended early.
enum Failure {
    Call(Error),
    File(String, std::io::Error),
    Line(String, BadLine),
    Peer(BadLine),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Call(error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::File(path, error) => write!(f, "{path} cannot be read: {error}"),
            Self::Line(path, line) => write!(f, "{path}, {line}"),
            Self::Peer(line) => line.fmt(f),
        }
    }
}

/// The exit status is Open-MX's code for what went wrong.
fn main() -> ExitCode {
    let choice = match Choice::from_options(ToolOptions::of_process()) {
        Ok(choice) => choice,
        Err(usage) => return usage.explain(USAGE),
    };
    match run(&choice) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("omx_init_peers: {failure}");
            let code = match failure {
                Failure::Call(error) => error.code(),
                _ => Code::BadError,
            };
            ExitCode::from(u8::try_from(code as u32).unwrap_or(1))
        }
    }
}

fn run(choice: &Choice) -> Result<(), Failure> {
    let backend = Backend::find()?;
    let boards: Vec<u32> = Board::all(&backend)?
        .iter()
        .map(|(board, _)| *board)
        .collect();
    let change = |change: &Change| {
        let mut changes = boards
            .iter()
            .map(|board| Board::change(&backend, *board, change));
        changes.try_for_each(|changed| changed)
    };
    if choice.clear {
        println!("Clearing peers...");
        change(&Change::ClearPeers)?;
    }
    for peer in peers_of(choice)? {
        if choice.verbose {
            println!("Adding peer {} address {}", peer.name, peer.mac);
        }
        change(&Change::AddPeer {
            mac: peer.mac,
            name: peer.bytes,
        })?;
    }
    if choice.done {
        println!("Marking the peer table configured as done...");
        change(&Change::MarkPeersConfigured)?;
    }
    Ok(())
}

fn peers_of(choice: &Choice) -> Result<Vec<Peer>, Failure> {
    match &choice.what {
        What::Nothing => {
            println!("Not adding any peer");
            Ok(Vec::new())
        }
        What::File(path) => {
            println!("Adding peers from file {path}...");
            let text = std::fs::read_to_string(path)
                .map_err(|error| Failure::File(path.clone(), error))?;
            peers::parse(&text).map_err(|line| Failure::Line(path.clone(), line))
        }
        What::Peer(address, name) => {
            let peer = Peer::new(address, name).ok_or_else(|| BadLine {
                number: None,
                text: format!("{address} {name}"),
            });
            peer.map(|peer| vec![peer]).map_err(Failure::Peer)
        }
    }
}
