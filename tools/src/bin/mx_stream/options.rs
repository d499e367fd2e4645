//! What the user may choose.

use omx_tools::line::{Place, Waiting};
use omx_tools::{ToolOptions, Usage};

use crate::plan::Plan;

/// How the tool is used.
pub const USAGE: &str = "\
mx_stream [options]
 Without -d: waits for a sender. With -d: sends messages, 16 at a time. Each side prints length, MB/s and messages/s.
Both sides:
 -b <n>      board [0]
 -n <nic>    board by its address, as 0x001122334455, instead
 -e <n>      endpoint [1]
 -f <n>      filter: what both sides must agree on [0x12345]
 -w          sleep while waiting instead of polling
 -v          say what is done
 --json      a JSON object per line on standard output, all else on standard error
 -h          this help (--help: the same, as a success)
Sender:
 -d <host>   name of the peer (omx_info lists them)
 -r <n>      endpoint of the peer [1]
 -l <n>      length [8192]
 -N <n>      messages [1000]
 -x          both directions at the same time
 -V          verify every byte (the rates then say little)
Example: mx_stream, and on another node mx_stream -d node1:0 -l 65536 -x
Exit status: 0 when all went well, 1 when something failed or a byte was wrong.
";

/// What was chosen.
#[derive(Clone, Debug)]
pub struct Choice {
    pub place: Place,
    pub verbose: bool,
    pub json: bool,
    pub host: Option<String>,
    pub remote: u32,
    /// What a sender tells.
    pub plan: Plan,
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
            verbose: false,
            json: false,
            host: None,
            remote: 1,
            plan: Plan {
                length: 8192,
                messages: 1000,
                microseconds: 0,
                verify: false,
                both: false,
            },
        };
        let (place, plan) = (&mut choice.place, &mut choice.plan);
        while let Some(option) = options.next_option() {
            match option.as_str() {
                "-b" => place.board = options.integer()?,
                "-n" => place.nic = Some(options.integer()?),
                "-e" => place.endpoint = Some(options.integer()?),
                "-f" => place.key = options.integer()?,
                "-w" => place.waiting = Waiting::Sleep,
                "-v" => choice.verbose = true,
                "--json" => choice.json = true,
                "-d" => choice.host = Some(options.text()?),
                "-r" => choice.remote = options.integer()?,
                "-l" => plan.length = options.integer()?,
                "-N" => plan.messages = options.integer()?,
                "-x" => plan.both = true,
                "-V" => plan.verify = true,
                _ => return Err(options.other()),
            }
        }
        Ok(choice)
    }
}
