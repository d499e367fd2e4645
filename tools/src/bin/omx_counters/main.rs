//! `omx_counters`: what the boards have counted.

#[macro_use]
extern crate omx_output;

use std::process::ExitCode;

use clap::Parser;
use mx_ring::Counter;
use mx_ring::admin::Change;
use mx_wire::MacAddress;
use omx_tools::options::of_process;
use omx_tools::{board_line, json_string, tool};
use open_mx::board::{Board, text};
use open_mx::{Backend, Error};

/// The first counter of messages that no wire carries; all that follow are of that kind.
const FIRST_SHARED: Counter = Counter::SharedTiny;

/// Shows what the Open-MX boards of this machine have counted: frames by type, and what was dropped and why.
#[derive(Parser)]
#[command(
    after_help = "Example: omx_counters -b 0, before and after a run; omx_perf's lost messages show up as drops at one of the sides."
)]
struct Choice {
    /// only the board of this number
    #[arg(short = 'b', value_name = "n", overrides_with_all = ["shared", "all"])]
    board: Option<u32>,
    /// shared communication, then all boards (default)
    #[arg(short = 'a', overrides_with_all = ["board", "shared"])]
    all: bool,
    /// only shared communication: messages between boards of one backend, which no wire carries
    #[arg(short = 's')]
    shared: bool,
    /// clear them (for administrators; with -s those of all boards, which the shared ones are part of)
    #[arg(short = 'c')]
    clear: bool,
    /// only counters that are not zero (default)
    #[arg(short = 'q', overrides_with = "verbose")]
    quiet: bool,
    /// all counters; of those that never rise, why
    #[arg(short = 'v')]
    verbose: bool,
    /// one JSON object instead, with all counters
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    tool("omx_counters", of_process("omx_counters"), show)
}

/// A value for each counter.
type Values = Vec<(Counter, u32)>;

/// A board's name, address and title, and what it counted.
struct Section {
    name: String,
    mac: MacAddress,
    title: String,
    values: Values,
}

fn show(choice: &Choice) -> Result<(), Error> {
    let backend = Backend::find()?;
    let boards = Board::chosen(&backend, choice.board)?;
    if choice.clear {
        return clear(&backend, &boards);
    }
    let mut sections = Vec::new();
    if choice.board.is_none() {
        sections.push(shared(&boards));
    }
    if !choice.shared {
        for (number, board) in &boards {
            sections.push(own(*number, board)?);
        }
    }
    if choice.json {
        let objects: Vec<String> = sections.iter().map(json).collect();
        println!("{{\"boards\": [{}]}}", objects.join(", "));
        return Ok(());
    }
    for section in &sections {
        println!("{}", section.title);
        println!("{}", "=".repeat(55));
        for (counter, value) in &section.values {
            if choice.verbose || *value != 0 {
                println!("{}", line(*counter, *value));
            }
        }
        println!();
    }
    Ok(())
}

fn clear(backend: &Backend, boards: &[(u32, Board)]) -> Result<(), Error> {
    for (number, board) in boards {
        Board::change(backend, *number, &Change::ClearCounters)?;
        let title = board_line(*number, &board.description()?);
        println!("{title}: counters are cleared");
    }
    Ok(())
}

/// Open-MX's line for a counter: index, value with a place for a sign, label. One that never rises says why.
fn line(counter: Counter, value: u32) -> String {
    let value = format!(" {value}");
    let line = format!("{:03}: {value:>9} {}", counter.index(), counter.label());
    match counter.never() {
        Some(why) => format!("{line} (never: {why})"),
        None => line,
    }
}

fn own(number: u32, board: &Board) -> Result<Section, Error> {
    let description = board.description()?;
    Ok(Section {
        name: text(&description.hostname),
        mac: description.mac,
        title: board_line(number, &description),
        values: Counter::ALL
            .map(|it| (it, board.counter(it.index())))
            .into(),
    })
}

/// Sums over all boards of what stayed within their backend.
fn shared(boards: &[(u32, Board)]) -> Section {
    let sum = |counter: Counter| {
        if counter.index() < FIRST_SHARED.index() {
            return 0;
        }
        boards.iter().fold(0_u32, |sum, (_, board)| {
            sum.wrapping_add(board.counter(counter.index()))
        })
    };
    let name = "Shared Communication";
    Section {
        name: name.into(),
        mac: MacAddress::default(),
        title: format!("{name} (addr {})", MacAddress::default()),
        values: Counter::ALL.map(|it| (it, sum(it))).into(),
    }
}

fn json(section: &Section) -> String {
    let counters: Vec<String> = section
        .values
        .iter()
        .map(|(counter, value)| format!("{}: {value}", json_string(counter.label())))
        .collect();
    format!(
        "{{\"name\": {}, \"mac\": \"{}\", \"counters\": {{{}}}}}",
        json_string(&section.name),
        section.mac,
        counters.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use omx_tools::options::read;

    use super::*;

    #[test]
    fn a_counters_line_is_open_mxs() {
        assert_eq!(line(Counter::SendTiny, 7), "000:         7 Send Tiny");
        assert_eq!(
            line(Counter::SharedPull, u32::MAX),
            "081:  4294967295 Shared Pull"
        );
        assert_eq!(
            line(Counter::RecvOpenMxHeaderAsNonLinear, 0),
            "036:         0 Recv Open-MX Header as Non-Linear (never: a frame lies in one piece)"
        );
    }

    #[test]
    fn the_last_choice_of_boards_counts() {
        let chosen = |arguments: &[&str]| {
            let (choice, _) = read::<Choice>("omx_counters", arguments).unwrap();
            (choice.board, choice.shared)
        };
        assert_eq!(chosen(&[]), (None, false));
        assert_eq!(chosen(&["-s", "-b", "2"]), (Some(2), false));
        assert_eq!(chosen(&["-b2", "-s"]), (None, true));
        assert_eq!(chosen(&["-s", "-a"]), (None, false));
    }
}
