//! `omx_hostname`: the name under which peers know a board.

#[macro_use]
extern crate omx_output;

use std::process::ExitCode;

use clap::Parser;
use mx_ring::admin::Change;
use omx_tools::options::of_process;
use omx_tools::{json_string, name_bytes, tool};
use open_mx::board::{Board, text};
use open_mx::{Backend, Error};

/// Shows or sets the name under which peers know an Open-MX board of this machine.
#[derive(Parser)]
#[command(after_help = "\
The board of a Xen guest has the guest's name, which only its host's administrator changes (xl rename).
Peers find a board by its name, by custom the machine's with the board's number: omx_hostname -b 1 -n node1:1")]
struct Choice {
    /// the board of this number
    #[arg(short = 'b', value_name = "n", default_value_t = 0)]
    board: u32,
    /// give it this name (for administrators); peers elsewhere learn it when they ask for it the next time
    #[arg(short = 'n', value_name = "name")]
    name: Option<String>,
    /// forget the names of all peers elsewhere and ask for them again (for administrators)
    #[arg(short = 'c')]
    clear: bool,
    /// tell what the name was
    #[arg(short = 'v')]
    verbose: bool,
    /// a JSON object instead
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    tool("omx_hostname", of_process("omx_hostname"), run)
}

fn run(choice: &Choice) -> Result<(), Error> {
    let backend = Backend::find()?;
    let description = Board::attach(&backend, choice.board)?.description()?;
    let name = text(&description.hostname);
    let mac = description.mac;
    let interface = text(&description.interface);
    if choice.json {
        println!(
            "{{\"board\": {}, \"interface\": {}, \"mac\": \"{mac}\", \"name\": {}}}",
            choice.board,
            json_string(&interface),
            json_string(&name)
        );
    } else if choice.verbose || (choice.name.is_none() && !choice.clear) {
        println!(
            "Board #{} ({interface} {mac}) hostname was {name}",
            choice.board
        );
    }
    if let Some(new) = &choice.name {
        let new = name_bytes(new).ok_or(Error::BadChange)?;
        Board::change(&backend, choice.board, &Change::SetHostname(new))?;
    }
    if choice.clear {
        Board::change(&backend, choice.board, &Change::ClearPeerNames)?;
    }
    Ok(())
}
