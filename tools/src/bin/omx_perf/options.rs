//! What the user may choose.

use std::time::Duration;

use omx_tools::line::{Place, Waiting};
use omx_tools::{ToolOptions, Usage};

use crate::parameters::Parameters;

/// How the tool is used.
pub const USAGE: &str = "\
omx_perf [options]
 Without -d: receiver, waits for a sender. With -d: sender, prints a line per length.
Common options:
 -b <n>      board [0]
 -e <n>      endpoint [0; any for a sender]
 -s          receiver: start again after each run
 -w          sleep while waiting instead of polling
 -y          yield the processor between polls
 -v          verbose
 -a          align buffers to 64 KiB
 -h          this help
Sender options:
 -d <host>   name of the peer (omx_info lists them)
 -r <n>      endpoint of the peer [0]
 -S <n>      first length [0]
 -E <n>      end length, exclusive [4194305]
 -M <n>      multiplier [2]
 -I <n>      increment [0]
 -N <n>      iterations [1000]
 -W <n>      warm-up iterations [10]
 -P <ms>     pause between lengths [100]
 -U          unidirectional: replies have no bytes
 -Y          synchronous sends
 --json      a JSON object per length on standard output, all else on standard error
 --ticks     also the median of time-stamp counter ticks one way
Next length = length * M + I, or I (1 without I) after 0.
";

/// What was chosen.
#[derive(Clone, Debug)]
pub struct Choice {
    pub place: Place,
    pub again: bool,
    pub verbose: bool,
    pub host: Option<String>,
    pub remote: u32,
    pub pause: Duration,
    pub json: bool,
    pub ticks: bool,
    pub parameters: Parameters,
}

impl Choice {
    /// Reads the arguments.
    pub fn from_options(mut options: ToolOptions) -> Result<Self, Usage> {
        let mut choice = Self {
            place: Place::PERF,
            again: false,
            verbose: false,
            host: None,
            remote: 0,
            pause: Duration::from_millis(100),
            json: false,
            ticks: false,
            parameters: Parameters::default(),
        };
        let (place, parameters) = (&mut choice.place, &mut choice.parameters);
        while let Some(option) = options.next_option() {
            match option.as_str() {
                "-b" => place.board = options.number()?,
                "-e" => place.endpoint = Some(options.number()?),
                "-s" => choice.again = true,
                "-w" => place.waiting = Waiting::Sleep,
                "-y" => place.waiting = Waiting::Yield,
                "-v" => choice.verbose = true,
                "-a" => parameters.align = true,
                "-d" => {
                    choice.host = Some(options.text()?);
                    place.endpoint = None;
                }
                "-r" => choice.remote = options.number()?,
                "-S" => parameters.min = options.number()?,
                "-E" => parameters.max = options.number()?,
                "-M" => parameters.multiplier = options.number()?,
                "-I" => parameters.increment = options.number()?,
                "-N" => parameters.iterations = options.number()?,
                "-W" => parameters.warmup = options.number()?,
                "-P" => choice.pause = Duration::from_millis(options.number()?),
                "-U" => parameters.unidirectional = true,
                "-Y" => parameters.synchronous = true,
                "--json" => choice.json = true,
                "--ticks" => choice.ticks = true,
                _ => return Err(options.other()),
            }
        }
        Ok(choice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(arguments: &[&str]) -> Result<Choice, Usage> {
        Choice::from_options(ToolOptions::new(arguments.iter().map(|a| (*a).to_owned())))
    }

    #[test]
    fn a_host_resets_the_endpoint_to_any_unless_it_comes_later() {
        assert_eq!(choice(&["-e", "3"]).unwrap().place.endpoint, Some(3));
        assert_eq!(
            choice(&["-e", "3", "-d", "a:0"]).unwrap().place.endpoint,
            None
        );
        assert_eq!(
            choice(&["-d", "a:0", "-e", "3"]).unwrap().place.endpoint,
            Some(3)
        );
    }

    #[test]
    fn an_unknown_option_is_named() {
        assert_eq!(
            choice(&["-m", "2"]).unwrap_err(),
            Usage::Unknown("-m".into())
        );
    }
}
