//! `omx_endpoint_info`: which endpoints of the boards are open, and who has opened them.

#[macro_use]
extern crate omx_output;

use std::process::ExitCode;

use open_mx::board::{Board, Opener, text};
use open_mx::tool::{Options, Usage, board_line, end, json_string, mac_text};
use open_mx::{Error, Home};

const USAGE: &str = "\
omx_endpoint_info [options]
 Lists the open endpoints of the Open-MX boards of this machine, with the processes that have opened them.
 -b <n>   only the board of this number
 -a       all boards (default)
 -v       also endpoints that are not open
 --json   one JSON object instead
 -h       this help (--help: the same, as a success)
Example: omx_endpoint_info -b 0 -v
";

struct Choice {
    board: Option<u32>,
    verbose: bool,
    json: bool,
}

fn choose(mut options: Options) -> Result<Choice, Usage> {
    let mut choice = Choice {
        board: None,
        verbose: false,
        json: false,
    };
    while let Some(option) = options.next_option() {
        match option.as_str() {
            "-b" => choice.board = Some(options.number()?),
            "-a" => choice.board = None,
            "-v" => choice.verbose = true,
            "--json" => choice.json = true,
            "-h" => return Err(Usage::Help),
            "--help" => return Err(Usage::Manual),
            _ => return Err(options.unknown()),
        }
    }
    Ok(choice)
}

fn main() -> ExitCode {
    match choose(Options::of_process()) {
        Ok(choice) => end("omx_endpoint_info", show(&choice)),
        Err(usage) => usage.explain(USAGE),
    }
}

fn show(choice: &Choice) -> Result<(), Error> {
    let home = Home::find()?;
    let mut objects = Vec::new();
    for (number, board) in Board::chosen(&home, choice.board)? {
        let openers = Board::openers(&home, number)?;
        if choice.json {
            objects.push(json(number, &board, &openers)?);
        } else {
            print(number, &board, &openers, choice.verbose)?;
        }
    }
    if choice.json {
        println!("{{\"boards\": [{}]}}", objects.join(", "));
    }
    Ok(())
}

fn print(
    number: u32,
    board: &Board,
    openers: &[Option<Opener>],
    verbose: bool,
) -> Result<(), Error> {
    println!("{}", board_line(number, &board.description()?));
    println!("{}", "=".repeat(46));
    if verbose {
        // Discovery is the boards' own affair: no process reads raw frames for it.
        println!("  raw\tnot open");
    }
    for (index, opener) in openers.iter().enumerate() {
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
        openers.iter().flatten().count(),
        openers.len()
    );
    println!();
    Ok(())
}

fn json(number: u32, board: &Board, openers: &[Option<Opener>]) -> Result<String, Error> {
    let description = board.description()?;
    let open: Vec<String> = openers
        .iter()
        .enumerate()
        .filter_map(|(index, opener)| {
            let opener = opener.as_ref()?;
            Some(format!(
                "{{\"endpoint\": {index}, \"pid\": {}, \"command\": {}, \"queue_entries\": {}}}",
                opener.pid,
                json_string(&opener.command),
                opener.queue_entries
            ))
        })
        .collect();
    Ok(format!(
        "{{\"board\": {number}, \"name\": {}, \"mac\": \"{}\", \"endpoint_max\": {}, \"queue_entries\": {}, \"open\": [{}]}}",
        json_string(&text(&description.hostname)),
        mac_text(description.mac),
        openers.len(),
        description.queue_entries,
        open.join(", ")
    ))
}
