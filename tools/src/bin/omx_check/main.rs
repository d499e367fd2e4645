//! `omx_check`: looks at everything that a program needs on this machine, and at the way to its peers, and says of each that
//! it is fine, or what to do. Every number that it shows is measured or read at that moment.
//!
//! | file | what |
//! |---|---|
//! | `limits` | the process's limits, and memory |
//! | `boards` | who serves boards here, and how they are |
//! | `peers` | the other boards: whether they answer, and how long frames may be on the way there |
//! | `frames` | the longest frame that passes |
//! | `answer` | the other side of that |

#[macro_use]
extern crate omx_output;

mod answer;
mod boards;
mod frames;
mod limits;
mod peers;

use std::process::ExitCode;

use clap::Parser;
use omx_output::report::{Outcome, Report};
use omx_tools::options::{integer, of_process};
use omx_tools::tool;
use open_mx::{Backend, Board};

/// Looks at everything that Open-MX needs on this machine, and says of each that it is fine, or what to do.
///
/// A line for each begins with "fine", "to do" or "unknown" (it could not be looked at); the latter two have below them an arrow
/// and what to do. The exit status is 0 when all is fine, 1 when something is to be done, 4 when nothing is, as far as could be
/// seen.
#[derive(Parser)]
#[command(
    after_help = "Example: omx_check --answer on one node; omx_check --peer <its name> on another tells the longest frame that passes \
                  between them. Do what the first arrow says, and run it again, until all is fine."
)]
struct Choice {
    /// only the board of this number, and its peers
    #[arg(short = 'b', value_name = "n")]
    board: Option<u32>,
    /// only this peer (omx_info lists them): how long frames may be on the way there, too, if omx_check --answer runs there
    #[arg(long, value_name = "host")]
    peer: Option<String>,
    /// endpoint of the peers that is asked
    #[arg(short = 'r', value_name = "n", default_value = "0", value_parser = integer::<u32>)]
    remote: u32,
    /// instead, wait for the omx_check of others and answer it, for ever
    #[arg(long, conflicts_with_all = ["peer", "remote", "json"])]
    answer: bool,
    /// endpoint at which to wait for others
    #[arg(short = 'e', value_name = "n", default_value = "0", value_parser = integer::<u32>, requires = "answer")]
    endpoint: u32,
    /// a JSON array of objects instead: outcome (fine, to-do, unknown), subject, of, found, advice
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match of_process::<Choice>("omx_check") {
        Ok(choice) if !choice.answer => {
            let report = check(&choice);
            if choice.json {
                println!("{}", report.json());
            } else {
                print!("{}", report.text());
            }
            status(&report)
        }
        choice => tool("omx_check", choice, |choice| {
            answer::answer(choice.board.unwrap_or(0), choice.endpoint)
        }),
    }
}

/// 0 when all is fine, 1 when something is to be done, 4 when something could not be looked at.
fn status(report: &Report) -> ExitCode {
    match [Outcome::ToDo, Outcome::Unknown].map(|outcome| report.count(outcome)) {
        [0, 0] => ExitCode::SUCCESS,
        [0, _] => ExitCode::from(4),
        _ => ExitCode::from(1),
    }
}

fn check(choice: &Choice) -> Report {
    let mut report = Report::default();
    let backend = boards::find(&mut report);
    limits::look(backend.as_ref(), &mut report);
    let Some(backend) = backend else {
        return report;
    };
    for (number, board) in boards::look(&backend, choice.board, &mut report) {
        if let Err(error) = look_at_peers(&backend, number, &board, choice, &mut report) {
            let advice = "until then peers cannot be asked";
            report.to_do(
                "endpoint",
                Some(&format!("of board {number}")),
                error.to_string(),
                advice,
            );
        }
    }
    report
}

fn look_at_peers(
    backend: &Backend,
    number: u32,
    board: &Board,
    choice: &Choice,
    report: &mut Report,
) -> Result<(), open_mx::Error> {
    let wish = peers::Wish {
        name: choice.peer.as_deref(),
        remote: choice.remote,
    };
    peers::look(backend, number, board, &wish, report)
}
