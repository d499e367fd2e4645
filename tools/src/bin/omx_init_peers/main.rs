//! `omx_init_peers`: peers that boards do not have to discover.

#[macro_use]
extern crate omx_output;

mod options;
mod peers;

use std::process::ExitCode;

use mx_ring::admin::Change;
use omx_tools::options::of_process;
use open_mx::board::Board;
use open_mx::{Backend, Code, Error};
use options::Choice;
use peers::{BadPeer, Peer};

/// Why the tool ended early.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Call(#[from] Error),
    #[error("{0} cannot be read: {1}")]
    File(String, std::io::Error),
    #[error("{0}, line {1}: {2}")]
    Line(String, usize, BadPeer),
    #[error(transparent)]
    Peer(#[from] BadPeer),
}

/// The exit status is Open-MX's code for what went wrong.
fn main() -> ExitCode {
    let choice = match of_process("omx_init_peers") {
        Ok(choice) => choice,
        Err(usage) => return usage.explain(),
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
    match (&choice.file, &choice.hostname) {
        (Some(address), Some(name)) => Ok(vec![Peer::new(address, name)?]),
        (Some(path), None) => {
            println!("Adding peers from file {path}...");
            let text = std::fs::read_to_string(path)
                .map_err(|error| Failure::File(path.clone(), error))?;
            peers::parse(&text).map_err(|(number, peer)| Failure::Line(path.clone(), number, peer))
        }
        (None, _) => {
            println!("Not adding any peer");
            Ok(Vec::new())
        }
    }
}
