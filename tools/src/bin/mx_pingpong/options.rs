//! What the user may choose.

use std::path::PathBuf;

use omx_tools::line::{Place, Waiting};
use omx_tools::{ToolOptions, Usage};

use crate::plan::Plan;

/// How the tool is used.
pub const USAGE: &str = "\
mx_pingpong [options]
 Without -d: waits for a sender. With -d: sends messages of each length there and back, and prints for each the
 latency one way and the bandwidth.
Both sides:
 -b <n>      board [0]
 -n <nic>    board by its address, as 0x001122334455, instead
 -e <n>      endpoint [1]
 -f <n>      filter: what both sides must agree on [0x12345]
 -w          sleep while waiting instead of polling
 -L <file>   lengths from a file, one a line, instead of the sender's choice; both sides need the same file, but for a
             receiver of this version
 -s          receiver: serve one sender after the other
 -h          this help (--help: the same, as a success)
Sender:
 -d <host>   name of the peer (omx_info lists them)
 -r <n>      endpoint of the peer [1]
 -S <n>      first length [0]
 -E <n>      last length, inclusive [128]
 -I <n>      increment [1]
 -M <x>      multiplier, as 2 or 1.5, instead of the increment
 -R          rendezvous: sends are synchronous, at both sides
 -N <n>      iterations [1000]
 -W <n>      warm-up iterations [10]
 -V          verify every byte at both sides (the times then say little)
 --json      a JSON object per length on standard output, all else on standard error
Example: mx_pingpong, and on another node mx_pingpong -d node1:0 -E 4194304 -M 2
Exit status: 0 when all went well, 1 when something failed or a byte was wrong.
";

/// What was chosen.
#[derive(Clone, Debug)]
pub struct Choice {
    pub place: Place,
    pub again: bool,
    pub host: Option<String>,
    pub remote: u32,
    /// What the sender tells, but for its address.
    pub plan: Plan,
    /// Lengths from a file.
    pub file: Option<PathBuf>,
    pub json: bool,
}

impl Choice {
    /// Reads the arguments.
    pub fn from_options(mut options: ToolOptions) -> Result<Self, Usage> {
        let mut choice = Self {
            place: Place {
                board: 0,
                nic: None,
                endpoint: Some(1),
                key: 0x12345,
                waiting: Waiting::Poll,
            },
            again: false,
            host: None,
            remote: 1,
            plan: Plan {
                first: 0,
                end: 129,
                increment: 1,
                multiplier: 0.0,
                warmup: 10,
                iterations: 1000,
                verify: false,
                blocking: false,
                rendezvous: false,
                endpoint: 0,
                nic: 0,
            },
            file: None,
            json: false,
        };
        let (place, plan) = (&mut choice.place, &mut choice.plan);
        while let Some(option) = options.next_option() {
            match option.as_str() {
                "-b" => place.board = options.integer()?,
                "-n" => place.nic = Some(options.integer()?),
                "-e" => place.endpoint = Some(options.integer()?),
                "-f" => place.key = options.integer()?,
                "-w" => {
                    place.waiting = Waiting::Sleep;
                    plan.blocking = true;
                }
                "-s" => choice.again = true,
                "-d" => choice.host = Some(options.text()?),
                "-r" => choice.remote = options.integer()?,
                "-S" => plan.first = options.integer()?,
                "-E" => {
                    let last: u32 = options.integer()?;
                    let end = last.checked_add(1);
                    plan.end = end.ok_or(Usage::Value(option, "at most 4294967294"))?;
                }
                "-I" => plan.increment = options.integer()?,
                "-M" => {
                    plan.multiplier = options.number()?;
                    plan.increment = 0;
                }
                "-L" => choice.file = Some(options.text()?.into()),
                "-R" => plan.rendezvous = true,
                "-N" => plan.iterations = options.integer()?,
                "-W" => plan.warmup = options.integer()?,
                "-V" => plan.verify = true,
                "--json" => choice.json = true,
                _ => return Err(options.other()),
            }
        }
        Ok(choice)
    }

    /// The same with these lengths instead: the receiver is told how much room they need.
    pub fn heeding(&self, lengths: Option<&[u32]>) -> Self {
        let mut choice = self.clone();
        if let Some(lengths) = lengths {
            let longest = lengths.iter().copied().max().unwrap_or(0);
            choice.plan.end = longest.saturating_add(1);
        }
        choice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(arguments: &[&str]) -> Plan {
        let options = ToolOptions::new(arguments.iter().map(|a| (*a).to_owned()));
        Choice::from_options(options).unwrap().plan
    }

    #[test]
    fn the_last_length_that_a_user_names_is_sent_too() {
        assert_eq!(plan(&["-E", "8"]).lengths().last(), Some(8));
        assert_eq!(plan(&[]).lengths().last(), Some(128));
        let most =
            Choice::from_options(ToolOptions::new(["-E".to_owned(), "4294967295".to_owned()]));
        assert!(matches!(most, Err(Usage::Value(..))));
    }

    #[test]
    fn a_multiplier_takes_the_place_of_the_increment() {
        let lengths: Vec<u32> = plan(&["-E", "9", "-M", "2"]).lengths().collect();
        assert_eq!(lengths, [0, 1, 2, 4, 8]);
    }
}
