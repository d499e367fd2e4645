//! What a message costs: instructions of library, queues, backend and boards, as valgrind counts them.

use std::process::{Command, ExitCode};

use clap::{Parser, ValueEnum};
use sim::ping_pong::{self, Way};

/// Messages of the shorter of two runs, whose difference is told: what is done once does not count.
const FEW: u32 = 64;

/// Where the two endpoints are.
#[derive(Clone, Copy, ValueEnum)]
enum Place {
    /// On two boards of one backend.
    Local,
    /// At two backends with a network between them.
    Wire,
}

/// Count the instructions of a message one way: a ping-pong between two endpoints in virtual time, under valgrind.
///
/// Everything that moves the message is counted, the little network of the simulation too; system calls are none. The
/// same program counts the same again. It is for comparing a change with what was before it.
#[derive(Parser)]
#[command(name = "cost", version)]
struct Options {
    /// Bytes of a message.
    #[arg(long, default_value_t = 0)]
    size: u32,
    /// Messages, of both directions together, that are counted.
    #[arg(long, default_value_t = 512)]
    messages: u32,
    /// Where the endpoints are.
    #[arg(long, value_enum, default_value_t = Place::Local)]
    way: Place,
    /// Boards beside them, each with an endpoint that has nothing to do.
    #[arg(long, default_value_t = 0)]
    idle_boards: usize,
    /// Only send the messages.
    #[arg(long, hide = true)]
    send: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.send {
        let way = match options.way {
            Place::Local => Way::Local,
            Place::Wire => Way::Wire,
        };
        ping_pong::run(way, options.size, options.messages, options.idle_boards);
        return ExitCode::SUCCESS;
    }
    let counts = [FEW, FEW + options.messages].map(|messages| count(&options, messages));
    match counts {
        [Ok(few), Ok(all)] => {
            let each = (all - few) as f64 / f64::from(options.messages);
            println!("{each:.1} instructions a message");
            ExitCode::SUCCESS
        }
        [Err(error), _] | [_, Err(error)] => {
            eprintln!("cost: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Instructions of a run.
fn count(options: &Options, messages: u32) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let way = options.way.to_possible_value().expect("none is hidden");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["--send", "--size", &options.size.to_string()])
        .args(["--messages", &messages.to_string()])
        .args(["--way", way.get_name()])
        .args(["--idle-boards", &options.idle_boards.to_string()])
        .output()
        .map_err(|error| format!("valgrind does not start ({error}): install its package"))?;
    let words = String::from_utf8_lossy(&output.stderr);
    let total = words
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    let total = total.and_then(|(_, total)| total.trim().parse().ok());
    match total {
        Some(total) if output.status.success() => Ok(total),
        _ => Err(format!("the counted run failed:\n{words}")),
    }
}
