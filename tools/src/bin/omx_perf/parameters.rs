//! What the sender tells the receiver at the beginning (api.md §6 and §8; recorded in the captures `10-omx_perf`).

use clap::Args;
use omx_tools::options::SENDER;
use zerocopy::byteorder::big_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, Unaligned};

/// Bytes of the parameter message.
pub const SIZE: usize = 44;

/// Lengths and counts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Args)]
#[command(next_help_heading = SENDER)]
pub struct Parameters {
    /// first length
    #[arg(short = 'S', value_name = "n", default_value_t = 0)]
    pub min: u64,
    /// end length, exclusive
    #[arg(short = 'E', value_name = "n", default_value_t = 4_194_305)]
    pub max: u64,
    /// multiplier
    #[arg(short = 'M', value_name = "n", default_value_t = 2)]
    pub multiplier: u64,
    /// increment
    #[arg(short = 'I', value_name = "n", default_value_t = 0)]
    pub increment: u64,
    /// iterations
    #[arg(short = 'N', value_name = "n", default_value_t = 1000)]
    pub iterations: u32,
    /// warm-up iterations
    #[arg(short = 'W', value_name = "n", default_value_t = 10)]
    pub warmup: u32,
    /// align buffers to 64 KiB, on both sides
    #[arg(short = 'a')]
    pub align: bool,
    /// unidirectional: replies have no bytes
    #[arg(short = 'U')]
    pub unidirectional: bool,
    /// synchronous sends
    #[arg(short = 'Y')]
    pub synchronous: bool,
}

/// What the sender tells the receiver before the first message.
#[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
struct Message {
    /// Iterations, those of the warm-up.
    counts: [U32; 2],
    /// First length, end, multiplier, increment; of each the low half first.
    lengths: [[U32; 2]; 4],
    /// Align, unidirectional, synchronous, and a byte that the original leaves uninitialised.
    flags: [u8; 4],
}

impl Parameters {
    /// As they are sent.
    pub fn to_bytes(self) -> [u8; SIZE] {
        let halves = |value: u64| [value as u32, (value >> 32) as u32].map(U32::new);
        let flags = [self.align, self.unidirectional, self.synchronous, false];
        zerocopy::transmute!(Message {
            counts: [self.iterations, self.warmup].map(U32::new),
            lengths: [self.min, self.max, self.multiplier, self.increment].map(halves),
            flags: flags.map(u8::from),
        })
    }

    /// As they came.
    pub fn from_bytes(bytes: &[u8; SIZE]) -> Self {
        let message: Message = zerocopy::transmute!(*bytes);
        let whole = |[low, high]: [U32; 2]| u64::from(high.get()) << 32 | u64::from(low.get());
        let [iterations, warmup] = message.counts.map(U32::get);
        let [min, max, multiplier, increment] = message.lengths.map(whole);
        let [align, unidirectional, synchronous, _] = message.flags.map(|flag| flag != 0);
        Self {
            min,
            max,
            multiplier,
            increment,
            iterations,
            warmup,
            align,
            unidirectional,
            synchronous,
        }
    }

    /// The lengths of the run. It ends when the next length would not be larger.
    pub fn lengths(self) -> impl Iterator<Item = u64> {
        let next = move |length: u64| {
            let next = if length == 0 {
                self.increment.max(1)
            } else {
                length
                    .saturating_mul(self.multiplier)
                    .saturating_add(self.increment)
            };
            (next > length).then_some(next)
        };
        std::iter::successors(Some(self.min), move |length| next(*length))
            .take_while(move |length| *length < self.max)
    }

    /// The longest length of the run. Computed, where a sender could make the lengths too many to count.
    pub fn longest(self) -> u64 {
        let span = self.max.saturating_sub(1).checked_sub(self.min);
        match (self.multiplier, span) {
            (1, Some(span)) if self.increment > 0 => self.min + span - span % self.increment,
            _ => self.lengths().last().unwrap_or(0),
        }
    }
}

impl std::fmt::Display for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "iter={}, warmup={}, min={}, max={}, mult={}, incr={}, unidir={}",
            self.iterations,
            self.warmup,
            self.min,
            self.max,
            self.multiplier,
            self.increment,
            u8::from(self.unidirectional)
        )
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;
    use mx_wire::{Frame, Packet};
    use omx_captures::{CaptureFile, Frames, capture_files};
    use proptest::prelude::*;

    use super::*;

    #[derive(Parser)]
    struct Chosen {
        #[command(flatten)]
        parameters: Parameters,
    }

    /// What a user has who chooses nothing.
    fn usual() -> Parameters {
        Chosen::parse_from(["omx_perf"]).parameters
    }

    #[test]
    fn the_lengths_are_those_of_the_native_tool() {
        let parameters = Parameters {
            max: 40_000,
            multiplier: 8,
            ..usual()
        };
        let lengths: Vec<u64> = parameters.lengths().collect();
        assert_eq!(lengths, [0, 1, 8, 64, 512, 4096, 32768]);
        assert_eq!(usual().longest(), 4 << 20);
    }

    #[test]
    fn a_multiplier_of_1_without_increment_ends() {
        let parameters = Parameters {
            min: 5,
            multiplier: 1,
            ..usual()
        };
        assert_eq!(parameters.lengths().collect::<Vec<_>>(), [5]);
    }

    /// The parameter messages of `omx_perf -N 2 -W 1 -S 0 -E 40000 -M 8` on native nodes, one of each wire format: what
    /// the first pull has brought.
    fn captured() -> Vec<[u8; SIZE]> {
        let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/tests/captures");
        let files = capture_files(&captures, None).expect("captures");
        let of_this_tool = files
            .iter()
            .filter(|file| file.below.to_string_lossy().contains("10-omx_perf"));
        let message = |file: &CaptureFile| {
            let bytes = file.read().expect("a file");
            let mut frames = Frames::new(&bytes).expect("a capture");
            let found = frames.find_map(|frame| {
                match Frame::parse(&file.format, frame.expect("a frame")) {
                    Ok(Frame {
                        packet: Packet::PullReply(_),
                        payload,
                        ..
                    }) => payload.try_into().ok(),
                    _ => None,
                }
            });
            found.expect("a message of 44 bytes")
        };
        of_this_tool.map(message).collect()
    }

    #[test]
    fn what_a_native_sender_tells_is_read_as_it_was_meant_and_told_in_the_same_bytes() {
        let meant = Parameters {
            iterations: 2,
            warmup: 1,
            min: 0,
            max: 40_000,
            multiplier: 8,
            ..usual()
        };
        let captured = captured();
        assert_eq!(captured.len(), 3, "one of each format");
        for bytes in captured {
            assert_eq!(Parameters::from_bytes(&bytes), meant);
            // The last byte is what the original leaves uninitialised.
            assert_eq!(meant.to_bytes()[..SIZE - 1], bytes[..SIZE - 1]);
        }
    }

    #[test]
    fn every_parameter_survives_the_message() {
        let parameters = Parameters {
            iterations: 1,
            warmup: 2,
            min: 0x3_0000_0004,
            max: 0x5_0000_0006,
            multiplier: 0x7_0000_0008,
            increment: 0x9_0000_000a,
            ..usual()
        };
        let flags = [
            (true, false, false),
            (false, true, false),
            (false, false, true),
        ];
        for (align, unidirectional, synchronous) in flags {
            let parameters = Parameters {
                align,
                unidirectional,
                synchronous,
                ..parameters
            };
            assert_eq!(Parameters::from_bytes(&parameters.to_bytes()), parameters);
        }
    }

    #[test]
    fn the_longest_length_of_more_lengths_than_can_be_counted_is_told_at_once() {
        let steps = |min, max, increment| Parameters {
            min,
            max,
            multiplier: 1,
            increment,
            ..usual()
        };
        assert_eq!(steps(0, u64::MAX, 1).longest(), u64::MAX - 1);
        for (min, max, increment) in [(0, 10, 3), (1, 11, 3), (5, 6, 3), (7, 7, 3), (9, 3, 1)] {
            let parameters = steps(min, max, increment);
            let counted = parameters.lengths().last().unwrap_or(0);
            assert_eq!(parameters.longest(), counted, "{parameters}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_sender_tells_its_lengths_grow_and_the_longest_is_told_at_once(
            bytes in prop::collection::vec(any::<u8>(), SIZE),
            small in any::<bool>(),
        ) {
            let mut bytes: [u8; SIZE] = bytes.try_into().unwrap();
            if small {
                // High halves, and all but the last byte of the multiplier and the increment.
                for high in [12..16, 20..24, 24..27, 28..35, 36..40] {
                    bytes[high].fill(0);
                }
            }
            let parameters = Parameters::from_bytes(&bytes);
            prop_assert_eq!(&parameters.to_bytes()[..40], &bytes[..40]);
            let lengths: Vec<u64> = parameters.lengths().take(100).collect();
            prop_assert!(lengths.is_sorted_by(|one, next| one < next));
            prop_assert!(lengths.iter().all(|length| *length <= parameters.longest()));
        }
    }
}
