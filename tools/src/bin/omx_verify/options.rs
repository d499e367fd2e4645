//! What the user may choose.

use std::ffi::OsString;
use std::str::FromStr;
use std::time::Duration;

use clap::Parser;
use omx_tools::options::{PerfOptions, SENDER, Usage, read};

/// Sends messages of many lengths to a receiver that sends each of them back; both check every byte, and that nothing
/// beside the message was touched. Without -d: receiver. With -d: sender.
#[derive(Clone, Debug, Parser)]
#[command(
    after_help = "The lengths beside each limit of the protocol (32, 128, 32768) are added. Exit status: 0 if all was right."
)]
pub struct Choice {
    #[command(flatten)]
    pub perf: PerfOptions,
    /// first length
    #[arg(short = 'S', value_name = "n", default_value_t = 0, help_heading = SENDER)]
    first: u32,
    /// end length, exclusive
    #[arg(short = 'E', value_name = "n", default_value_t = 4_194_305, help_heading = SENDER)]
    end: u32,
    /// multiplier
    #[arg(short = 'M', value_name = "n", default_value_t = 2, help_heading = SENDER)]
    multiplier: u32,
    /// synchronous sends
    #[arg(short = 'Y', help_heading = SENDER)]
    pub synchronous: bool,
    /// messages per length; auto: 1000 to 4 KiB, 100 to 64 KiB, 10 above
    #[arg(long, value_name = "n|auto", default_value = "auto", help_heading = SENDER)]
    iterations: Iterations,
    /// end a length after so long, but not before a tenth of its messages; 0: never
    #[arg(long, value_name = "n", default_value_t = 0, help_heading = SENDER)]
    seconds: u32,
}

/// Messages of a length.
#[derive(Clone, Copy, Debug)]
enum Iterations {
    /// Fewer, the longer they are.
    Auto,
    Each(u32),
}

impl FromStr for Iterations {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            number => number
                .parse()
                .map(Self::Each)
                .map_err(|_| "a number or 'auto' is needed"),
        }
    }
}

impl Choice {
    /// Reads the arguments.
    pub fn read(
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, Usage> {
        let (mut choice, matches) = read::<Self>("omx_verify", arguments)?;
        choice.perf.heed_order(&matches);
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
        match (self.iterations, length) {
            (Iterations::Each(number), _) => number,
            (Iterations::Auto, 0..=0x1000) => 1000,
            (Iterations::Auto, 0x1001..=0x1_0000) => 100,
            (Iterations::Auto, _) => 10,
        }
    }

    /// Whether a length has had its time, and as many messages as it must have.
    pub fn enough(&self, length: u32, messages: u32, elapsed: Duration) -> bool {
        let seconds = Duration::from_secs(self.seconds.into());
        !seconds.is_zero() && elapsed >= seconds && messages >= self.messages(length).div_ceil(10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(arguments: &[&str]) -> Choice {
        Choice::read(arguments).unwrap()
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
