//! What the user may choose.

use open_mx::tool::talk::Place;
use open_mx::tool::{Options, Usage};

use crate::lengths;

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
 -s          receiver: serve one sender after the other
 -h          this help (--help: the same, as a success)
Sender:
 -d <host>   name of the peer (omx_info lists them)
 -r <n>      endpoint of the peer [1]
 -S <n>      first length [0]
 -E <n>      last length, inclusive [128]
 -I <n>      increment [1]
 -M <n>      multiplier, instead of the increment
 -L <file>   lengths from a file, one a line, instead
 -R          the lengths in random order
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
    pub lengths: lengths::Choice,
    pub iterations: u32,
    pub warmup: u32,
    pub verify: bool,
    pub json: bool,
}

impl Choice {
    /// Reads the arguments.
    pub fn from_options(mut options: Options) -> Result<Self, Usage> {
        let mut choice = Self {
            place: Place::default(),
            again: false,
            host: None,
            remote: 1,
            lengths: lengths::Choice {
                first: 0,
                last: 128,
                increment: 1,
                multiplier: None,
                file: None,
                random: false,
            },
            iterations: 1000,
            warmup: 10,
            verify: false,
            json: false,
        };
        let (place, lengths) = (&mut choice.place, &mut choice.lengths);
        while let Some(option) = options.next_option() {
            match option.as_str() {
                "-b" => place.board = options.integer()?,
                "-n" => place.nic = Some(options.integer()?),
                "-e" => place.endpoint = options.integer()?,
                "-f" => place.key = options.integer()?,
                "-w" => place.sleep = true,
                "-s" => choice.again = true,
                "-d" => choice.host = Some(options.text()?),
                "-r" => choice.remote = options.integer()?,
                "-S" => lengths.first = options.integer()?,
                "-E" => lengths.last = options.integer()?,
                "-I" => lengths.increment = options.integer()?,
                "-M" => lengths.multiplier = Some(options.integer()?),
                "-L" => lengths.file = Some(options.text()?.into()),
                "-R" => lengths.random = true,
                "-N" => choice.iterations = options.integer()?,
                "-W" => choice.warmup = options.integer()?,
                "-V" => choice.verify = true,
                "--json" => choice.json = true,
                "-h" => return Err(Usage::Help),
                "--help" => return Err(Usage::Manual),
                _ => return Err(options.unknown()),
            }
        }
        Ok(choice)
    }
}
