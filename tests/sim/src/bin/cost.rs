//! What a message costs: instructions of library, queues, backend and boards, as valgrind counts them.

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use sim::counted;
use sim::ping_pong::{self, Way};

/// Idle boards beside which a message is counted by `--beside`. Over the wire fewer: a board knows so many strangers.
const BESIDE: [(Place, [usize; 3]); 2] =
    [(Place::Local, [1, 64, 200]), (Place::Wire, [1, 64, 180])];
/// How much more a message may cost beside the next number of them.
const AT_MOST: f64 = 1.2;

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
    /// Count beside one idle board, 64, and about 200, here and over the wire; exit status 1 means that a message costs more
    /// than 1.2 times as much beside more of them.
    #[arg(long, conflicts_with_all = ["way", "idle_boards"])]
    beside: bool,
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
    let counted = if options.beside {
        beside(&options)
    } else {
        cost(&options, options.way, options.idle_boards).map(|each| {
            println!("{each:.1} instructions a message");
            true
        })
    };
    match counted {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cost: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Instructions of a message.
fn cost(options: &Options, way: Place, idle_boards: usize) -> Result<f64, String> {
    let way = way.to_possible_value().expect("none is hidden");
    let arguments = [
        "--send".to_owned(),
        format!("--size={}", options.size),
        format!("--way={}", way.get_name()),
        format!("--idle-boards={idle_boards}"),
    ];
    counted::of_a_message(&arguments, options.messages)
}

/// Prints what a message costs beside idle boards; whether that is little more beside many.
fn beside(options: &Options) -> Result<bool, String> {
    let mut good = true;
    for (way, numbers) in BESIDE {
        let mut before = None;
        for boards in numbers {
            let each = cost(options, way, boards)?;
            let name = way.to_possible_value().expect("none is hidden");
            let times = before.map_or(1.0, |before| each / before);
            println!(
                "{}: {each:.1} instructions a message beside {boards} idle boards, {times:.3} times as many as before",
                name.get_name()
            );
            good &= times <= AT_MOST;
            before = Some(each);
        }
    }
    Ok(good)
}
