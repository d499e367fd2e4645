//! `omx_counters`: what the boards have counted.

#[macro_use]
extern crate omx_output;

use std::process::ExitCode;

use mx_ring::Counter;
use mx_ring::admin::Change;
use mx_wire::MacAddress;
use omx_tools::{ToolOptions, Usage, board_line, json_string, tool};
use open_mx::board::{Board, text};
use open_mx::{Backend, Error};

const USAGE: &str = "\
omx_counters [options]
 Shows what the Open-MX boards of this machine have counted: frames by type, and what was dropped and why.
 -b <n>   only the board of this number
 -a       shared communication, then all boards (default)
 -s       only shared communication: messages between boards of one backend, which no wire carries
 -c       clear them (for administrators; with -s those of all boards, which the shared ones are part of)
 -q       only counters that are not zero (default)
 -v       all counters; of those that never rise, why
 --json   one JSON object instead, with all counters
 -h       this help (--help: the same, as a success)
Example: omx_counters -b 0, before and after a run; omx_perf's lost messages show up as drops at one of the sides.
";

/// The first counter of messages that no wire carries; all that follow are of that kind.
const FIRST_SHARED: Counter = Counter::SharedTiny;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    All,
    Shared,
    Board(u32),
}

struct Choice {
    which: Which,
    clear: bool,
    verbose: bool,
    json: bool,
}

fn choose(mut options: ToolOptions) -> Result<Choice, Usage> {
    let mut choice = Choice {
        which: Which::All,
        clear: false,
        verbose: false,
        json: false,
    };
    while let Some(option) = options.next_option() {
        match option.as_str() {
            "-b" => choice.which = Which::Board(options.number()?),
            "-a" => choice.which = Which::All,
            "-s" => choice.which = Which::Shared,
            "-c" => choice.clear = true,
            "-q" => choice.verbose = false,
            "-v" => choice.verbose = true,
            "--json" => choice.json = true,
            _ => return Err(options.other()),
        }
    }
    Ok(choice)
}

fn main() -> ExitCode {
    let choice = choose(ToolOptions::of_process());
    tool("omx_counters", USAGE, choice, |choice| show(&choice))
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
    let wanted = match choice.which {
        Which::Board(number) => Some(number),
        Which::All | Which::Shared => None,
    };
    let boards = Board::chosen(&backend, wanted)?;
    if choice.clear {
        return clear(&backend, &boards);
    }
    let mut sections = Vec::new();
    if wanted.is_none() {
        sections.push(shared(&boards));
    }
    if choice.which != Which::Shared {
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
        let which = |arguments: &[&str]| {
            let arguments = arguments.iter().map(|it| (*it).to_owned());
            choose(ToolOptions::new(arguments)).unwrap().which
        };
        assert_eq!(which(&[]), Which::All);
        assert_eq!(which(&["-s", "-b", "2"]), Which::Board(2));
        assert_eq!(which(&["-b2", "-s"]), Which::Shared);
    }
}
