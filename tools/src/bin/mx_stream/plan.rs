//! What the two sides of a direction tell each other (api.md §8).

use clap::Args;
use omx_tools::options::{SENDER, integer};
use zerocopy::byteorder::big_endian::U32;

/// Words of the message: length, messages, microseconds, whether to verify, whether both directions.
type Words = [U32; 5];
/// Bytes of the message.
pub const SIZE: usize = size_of::<Words>();

/// A direction's messages. The sender tells it first, the receiver says it again when it is ready, and when it has
/// received them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Args)]
#[command(next_help_heading = SENDER)]
pub struct Plan {
    /// length
    #[arg(short = 'l', value_name = "n", default_value = "8192", value_parser = integer::<u32>)]
    pub length: u32,
    /// messages
    #[arg(short = 'N', value_name = "n", default_value = "1000", value_parser = integer::<u32>)]
    pub messages: u32,
    /// How long the receiver took for them all, in the last message.
    #[arg(skip)]
    pub microseconds: u32,
    /// verify every byte (the rates then say little)
    #[arg(short = 'V')]
    pub verify: bool,
    // The receiver sends as many.
    /// both directions at the same time
    #[arg(short = 'x')]
    pub both: bool,
}

impl Plan {
    /// As it is sent.
    pub fn to_bytes(self) -> [u8; SIZE] {
        let (verify, both) = (self.verify.into(), self.both.into());
        let words = [self.length, self.messages, self.microseconds, verify, both];
        zerocopy::transmute!(words.map(U32::new))
    }

    /// As it came.
    pub fn from_bytes(bytes: &[u8; SIZE]) -> Self {
        let words: Words = zerocopy::transmute!(*bytes);
        let [length, messages, microseconds, verify, both] = words.map(U32::get);
        Self {
            length,
            messages,
            microseconds,
            verify: verify != 0,
            both: both != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_has_20_bytes_and_is_read_as_it_was_told() {
        let plan = Plan {
            length: 0x0102_0304,
            messages: 0x0506_0708,
            microseconds: 0x090a_0b0c,
            verify: true,
            both: false,
        };
        let bytes = plan.to_bytes();
        assert_eq!(bytes[..12], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(bytes[12..], [0, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(Plan::from_bytes(&bytes), plan);
    }
}
