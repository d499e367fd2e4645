//! `omx_endpoint_info`: which endpoints of the boards are open, and who has opened them.

#[macro_use]
extern crate omx_output;

use std::process::ExitCode;

use clap::Parser;
use omx_tools::options::of_process;
use omx_tools::{board_line, json_string, tool};
use open_mx::board::{Board, Opener, text};
use open_mx::{Backend, Error};

/// Lists the open endpoints of the Open-MX boards of this machine, with the processes that have opened them.
#[derive(Parser)]
#[command(after_help = "Example: omx_endpoint_info -b 0 -v")]
struct Choice {
    /// only the board of this number
    #[arg(short = 'b', value_name = "n", overrides_with = "all")]
    board: Option<u32>,
    /// all boards (default)
    #[arg(short = 'a')]
    all: bool,
    /// also endpoints that are not open
    #[arg(short = 'v')]
    verbose: bool,
    /// one JSON object instead
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    tool("omx_endpoint_info", of_process("omx_endpoint_info"), show)
}

fn show(choice: &Choice) -> Result<(), Error> {
    let backend = Backend::find()?;
    let mut objects = Vec::new();
    for (number, board) in Board::chosen(&backend, choice.board)? {
        let shown = Shown {
            number,
            board,
            raw: Board::raw_opener(&backend, number)?,
            regular: Board::openers(&backend, number)?,
        };
        if choice.json {
            objects.push(shown.json()?);
        } else {
            shown.print(choice.verbose)?;
        }
    }
    if choice.json {
        println!("{{\"boards\": [{}]}}", objects.join(", "));
    }
    Ok(())
}

/// A board, and who has opened its endpoints.
struct Shown {
    number: u32,
    board: Board,
    raw: Option<Opener>,
    regular: Vec<Option<Opener>>,
}

impl Shown {
    fn print(&self, verbose: bool) -> Result<(), Error> {
        println!("{}", board_line(self.number, &self.board.description()?));
        println!("{}", "=".repeat(46));
        match &self.raw {
            Some(raw) => println!("  raw\topen by pid {} ({})", raw.pid, raw.command),
            None if verbose => println!("  raw\tnot open"),
            None => {}
        }
        for (index, opener) in self.regular.iter().enumerate() {
            match opener {
                Some(opener) => println!(
                    "  {index}\topen by pid {} ({}), {} queue entries",
                    opener.pid, opener.command, opener.queue_entries
                ),
                None if verbose => println!("  {index}\tnot open"),
                None => {}
            }
        }
        println!(
            "{} regular endpoints open (out of {})",
            self.regular.iter().flatten().count(),
            self.regular.len()
        );
        println!();
        Ok(())
    }

    fn json(&self) -> Result<String, Error> {
        let description = self.board.description()?;
        let regular: Vec<String> = self
            .regular
            .iter()
            .enumerate()
            .filter_map(|(index, opener)| {
                let opener = opener.as_ref()?;
                Some(format!(
                    "{{\"endpoint\": {index}, {}, \"queue_entries\": {}}}",
                    process(opener),
                    opener.queue_entries
                ))
            })
            .collect();
        let raw = self.raw.as_ref();
        Ok(format!(
            "{{\"board\": {}, \"name\": {}, \"mac\": \"{}\", \"endpoint_max\": {}, \"queue_entries\": {}, \"raw\": {}, \"open\": [{}]}}",
            self.number,
            json_string(&text(&description.hostname)),
            description.mac,
            self.regular.len(),
            description.queue_entries,
            raw.map_or("null".to_owned(), |raw| format!("{{{}}}", process(raw))),
            regular.join(", ")
        ))
    }
}

/// The members of a JSON object that name a process.
fn process(opener: &Opener) -> String {
    format!(
        "\"pid\": {}, \"command\": {}",
        opener.pid,
        json_string(&opener.command)
    )
}
