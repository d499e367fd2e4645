//! What the user may choose.

use std::time::Duration;

use omx_tools::line::{Place, Waiting};
use omx_tools::{ToolOptions, Usage};

/// How the tool is used.
pub const USAGE: &str = "\
omx_verify [options]
 Sends messages of many lengths to a receiver that sends each of them back; both check every byte, and
 that nothing beside the message was touched. Without -d: receiver. With -d: sender.
 -b <n>      board [0]
 -e <n>      endpoint [0; any for a sender]
 -w          sleep while waiting instead of polling
 -s          receiver: start again after each run
 -d <host>   name of the peer (omx_info lists them)
 -r <n>      endpoint of the peer [0]
 -S <n>      first length [0]
 -E <n>      end length, exclusive [4194305]
 -M <n>      multiplier [2]
 -Y          synchronous sends
 --iterations <n|auto>
             messages per length; auto: 1000 to 4 KiB, 100 to 64 KiB, 10 above [auto]
 --seconds <n>
             end a length after so long, but not before a tenth of its messages [0: never]
 --json      a JSON object per length and a last one on standard output, all else on standard error
 -h          this help
The lengths beside each limit of the protocol (32, 128, 32768) are added. Exit status: 0 if all was right.
";

/// What was chosen.
#[derive(Clone, Debug)]
pub struct Choice {
    pub place: Place,
    pub again: bool,
    pub host: Option<String>,
    pub remote: u32,
    pub first: u32,
    pub end: u32,
    pub multiplier: u32,
    pub synchronous: bool,
    pub iterations: Option<u32>,
    /// How long a length may take, if it has its fewest messages; zero: as long as it takes.
    pub seconds: u32,
    pub json: bool,
}

impl Choice {
    /// Reads the arguments.
    pub fn from_options(mut options: ToolOptions) -> Result<Self, Usage> {
        let mut choice = Self {
            place: Place::PERF,
            again: false,
            host: None,
            remote: 0,
            first: 0,
            end: 4_194_305,
            multiplier: 2,
            synchronous: false,
            iterations: None,
            seconds: 0,
            json: false,
        };
        while let Some(option) = options.next_option() {
            match option.as_str() {
                "-b" => choice.place.board = options.number()?,
                "-e" => choice.place.endpoint = Some(options.number()?),
                "-w" => choice.place.waiting = Waiting::Sleep,
                "-s" => choice.again = true,
                "-d" => {
                    choice.host = Some(options.text()?);
                    choice.place.endpoint = None;
                }
                "-r" => choice.remote = options.number()?,
                "-S" => choice.first = options.number()?,
                "-E" => choice.end = options.number()?,
                "-M" => choice.multiplier = options.number()?,
                "-Y" => choice.synchronous = true,
                "--iterations" => choice.iterations = iterations(&mut options)?,
                "--seconds" => choice.seconds = options.number()?,
                "--json" => choice.json = true,
                _ => return Err(options.other()),
            }
        }
        Ok(choice)
    }

    /// The lengths of the run, in order.
    pub fn lengths(&self) -> Vec<u32> {
        let mut lengths = vec![31, 33, 127, 129, 32767, 32769];
        let mut length = self.first;
        while length < self.end {
            lengths.push(length);
            let next = length.saturating_mul(self.multiplier).max(1);
            if next <= length {
                break;
            }
            length = next;
        }
        lengths.retain(|length| (self.first..self.end).contains(length));
        lengths.sort_unstable();
        lengths.dedup();
        lengths
    }

    /// Messages of a length.
    pub fn messages(&self, length: u32) -> u32 {
        self.iterations.unwrap_or(match length {
            0..=0x1000 => 1000,
            0x1001..=0x1_0000 => 100,
            _ => 10,
        })
    }

    /// Whether a length has had its time, and as many messages as it must have.
    pub fn enough(&self, length: u32, messages: u32, elapsed: Duration) -> bool {
        let seconds = Duration::from_secs(self.seconds.into());
        !seconds.is_zero() && elapsed >= seconds && messages >= self.messages(length).div_ceil(10)
    }
}

fn iterations(options: &mut ToolOptions) -> Result<Option<u32>, Usage> {
    let text = options.text()?;
    if text == "auto" {
        return Ok(None);
    }
    let number = text.parse();
    number
        .map(Some)
        .map_err(|_| Usage::Value("--iterations".into(), "a number or 'auto'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(arguments: &[&str]) -> Choice {
        Choice::from_options(ToolOptions::new(arguments.iter().map(|a| (*a).to_owned()))).unwrap()
    }

    #[test]
    fn the_lengths_beside_each_limit_are_there_within_the_bounds() {
        let lengths = choice(&["-d", "a:0"]).lengths();
        for length in [0, 1, 31, 32, 33, 128, 129, 32768, 32769, 4 << 20] {
            assert!(lengths.contains(&length), "{length} is missing");
        }
        assert_eq!(choice(&["-S", "32", "-E", "65"]).lengths(), [32, 33, 64]);
    }

    #[test]
    fn fewer_messages_are_sent_the_longer_they_are() {
        let auto = choice(&[]);
        let messages = [4096, 4097, 65536, 65537].map(|length| auto.messages(length));
        assert_eq!(messages, [1000, 100, 100, 10]);
        assert_eq!(choice(&["--iterations", "7"]).messages(1 << 20), 7);
    }

    #[test]
    fn a_length_ends_when_its_time_is_up_but_never_before_a_tenth_of_its_messages() {
        let hasty = choice(&["--seconds", "10"]);
        let enough = |messages, seconds| hasty.enough(64, messages, Duration::from_secs(seconds));
        assert!(!enough(999, 9));
        assert!(!enough(99, 1000));
        assert!(enough(100, 10));
        assert!(!choice(&[]).enough(64, 999, Duration::from_secs(1000)));
    }
}
