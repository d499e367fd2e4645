//! What a message costs: instructions of library, queues, backend and boards, as valgrind counts them.

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use sim::counted;
use sim::ping_pong::{self, Way};

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
    let way = options.way.to_possible_value().expect("none is hidden");
    let arguments = [
        "--send".to_owned(),
        format!("--size={}", options.size),
        format!("--way={}", way.get_name()),
        format!("--idle-boards={}", options.idle_boards),
    ];
    match counted::of_a_message(&arguments, options.messages) {
        Ok(each) => {
            println!("{each:.1} instructions a message");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cost: {error}");
            ExitCode::FAILURE
        }
    }
}
