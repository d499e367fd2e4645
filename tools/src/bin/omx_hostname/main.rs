//! `omx_hostname`: the name under which peers know a board.

#[macro_use]
extern crate omx_output;

use std::process::ExitCode;

use mx_ring::admin::Change;
use omx_tools::{ToolOptions, Usage, json_string, name_bytes, tool};
use open_mx::board::{Board, text};
use open_mx::{Backend, Error};

const USAGE: &str = "\
omx_hostname [options]
 Shows or sets the name under which peers know an Open-MX board of this machine.
 -b <n>     the board of this number [0]
 -n <name>  give it this name (for administrators); peers elsewhere learn it when they ask for it the next time
 -c         forget the names of all peers elsewhere and ask for them again (for administrators)
 -v         tell what the name was
 --json     a JSON object instead
 -h         this help (--help: the same, as a success)
The board of a Xen guest has the guest's name, which only its host's administrator changes (xl rename).
Peers find a board by its name, by custom the machine's with the board's number: omx_hostname -b 1 -n node1:1
";

struct Choice {
    board: u32,
    name: Option<String>,
    clear: bool,
    verbose: bool,
    json: bool,
}

fn choose(mut options: ToolOptions) -> Result<Choice, Usage> {
    let mut choice = Choice {
        board: 0,
        name: None,
        clear: false,
        verbose: false,
        json: false,
    };
    while let Some(option) = options.next_option() {
        match option.as_str() {
            "-b" => choice.board = options.number()?,
            "-n" => choice.name = Some(options.text()?),
            "-c" => choice.clear = true,
            "-v" => choice.verbose = true,
            "--json" => choice.json = true,
            _ => return Err(options.other()),
        }
    }
    Ok(choice)
}

fn main() -> ExitCode {
    let choice = choose(ToolOptions::of_process());
    tool("omx_hostname", USAGE, choice, |choice| run(&choice))
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
