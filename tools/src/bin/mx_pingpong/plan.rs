//! What the sender tells the receiver at the beginning (api.md §8).

use clap::Args;
use clap::builder::ArgPredicate;
use omx_tools::options::{SENDER, integer};
use open_mx::board::text;
use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, Unaligned};

/// Match info of the message.
pub const MATCH: u64 = 0x0000_2222_1111_0000;
/// Bytes of the message.
pub const SIZE: usize = size_of::<Message>();
/// Bytes of the multiplier's text.
const TEXT_SIZE: usize = 64;

#[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
struct Message {
    /// First length, end, increment, warm-up, verify, iterations, blocking, endpoint, rendezvous, low 32 bits of the board's
    /// address.
    words: [U32; 10],
    nic_high: U16,
    /// As C prints it with `%f`, and NULs.
    multiplier: [u8; TEXT_SIZE],
    pad: [u8; 2],
}

/// Lengths and counts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Args)]
#[command(next_help_heading = SENDER)]
pub struct Plan {
    /// first length
    #[arg(short = 'S', value_name = "n", default_value = "0", value_parser = integer::<u32>)]
    pub first: u32,
    // Exclusive here.
    /// last length, inclusive
    #[arg(short = 'E', value_name = "n", default_value = "128", value_parser = behind)]
    pub end: u32,
    // Between lengths; with 0 the multiplier counts.
    /// increment
    #[arg(short = 'I', value_name = "n", default_value = "1", value_parser = integer::<u32>)]
    #[arg(default_value_if("multiplier", ArgPredicate::IsPresent, "0"))]
    pub increment: u32,
    /// multiplier, as 2 or 1.5, instead of the increment
    #[arg(
        short = 'M',
        value_name = "x",
        default_value_t = 0.0,
        hide_default_value = true
    )]
    #[arg(overrides_with = "increment")]
    pub multiplier: f64,
    /// rendezvous: sends are synchronous, at both sides
    #[arg(short = 'R')]
    pub rendezvous: bool,
    /// iterations
    #[arg(short = 'N', value_name = "n", default_value = "1000", value_parser = integer::<u32>)]
    pub iterations: u32,
    /// warm-up iterations
    #[arg(short = 'W', value_name = "n", default_value = "10", value_parser = integer::<u32>)]
    pub warmup: u32,
    /// verify every byte at both sides (the times then say little)
    #[arg(short = 'V')]
    pub verify: bool,
    /// The sender sleeps while it waits.
    #[arg(skip)]
    pub blocking: bool,
    /// The sender's endpoint.
    #[arg(skip)]
    pub endpoint: u32,
    /// The sender's board.
    #[arg(skip)]
    pub nic: u64,
}

/// The end of the lengths whose last one is written here.
fn behind(last: &str) -> Result<u32, &'static str> {
    integer::<u32>(last)?
        .checked_add(1)
        .ok_or("4294967294 is the most")
}

impl Plan {
    /// As it is sent.
    pub fn to_bytes(self) -> [u8; SIZE] {
        let mut multiplier = [0; TEXT_SIZE];
        let printed = format!("{:.6}", self.multiplier);
        let length = printed.len().min(TEXT_SIZE - 1);
        multiplier[..length].copy_from_slice(&printed.as_bytes()[..length]);
        let words = [
            self.first,
            self.end,
            self.increment,
            self.warmup,
            self.verify.into(),
            self.iterations,
            self.blocking.into(),
            self.endpoint,
            self.rendezvous.into(),
            self.nic as u32,
        ];
        zerocopy::transmute!(Message {
            words: words.map(U32::new),
            nic_high: U16::new((self.nic >> 32) as u16),
            multiplier,
            pad: [0; 2],
        })
    }

    /// As it came. A multiplier that is no number is 0.
    pub fn from_bytes(bytes: &[u8; SIZE]) -> Self {
        let message: Message = zerocopy::transmute!(*bytes);
        let [
            first,
            end,
            increment,
            warmup,
            verify,
            iterations,
            blocking,
            endpoint,
            rendezvous,
            low,
        ] = message.words.map(U32::get);
        Self {
            first,
            end,
            increment,
            multiplier: text(&message.multiplier).trim().parse().unwrap_or(0.0),
            warmup,
            iterations,
            verify: verify != 0,
            blocking: blocking != 0,
            rendezvous: rendezvous != 0,
            endpoint,
            nic: u64::from(message.nic_high.get()) << 32 | u64::from(low),
        }
    }

    /// The lengths of the run.
    pub fn lengths(self) -> impl Iterator<Item = u32> {
        let next = move |length: &u32| {
            if self.increment > 0 {
                return length.checked_add(self.increment);
            }
            // A product beyond 32 bits is the largest number, and one that is none is 0.
            let product = (f64::from(*length) * self.multiplier) as u32;
            let grown = Some(product).filter(|product| product > length);
            grown.or(length.checked_add(1))
        };
        std::iter::successors(Some(self.first), next).take_while(move |length| *length < self.end)
    }

    /// Bytes that a message may have.
    pub fn longest(self) -> usize {
        self.end.saturating_sub(1) as usize
    }

    /// Round trips of each length.
    pub fn turns(self) -> u64 {
        u64::from(self.warmup) + u64::from(self.iterations)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAN: Plan = Plan {
        first: 0x0102_0304,
        end: 0x0506_0708,
        increment: 0x0910_1112,
        multiplier: 1.5,
        warmup: 0x1314_1516,
        iterations: 0x1718_1920,
        verify: true,
        blocking: false,
        rendezvous: true,
        endpoint: 7,
        nic: 0x2122_2324_2526,
    };

    #[test]
    fn a_plan_has_108_bytes_and_is_read_as_it_was_told() {
        let bytes = PLAN.to_bytes();
        assert_eq!(bytes.len(), 108);
        assert_eq!(Plan::from_bytes(&bytes), PLAN);
        assert!(bytes.windows(9).any(|text| text == b"1.500000\0"));
    }

    #[test]
    fn a_multiplier_that_is_no_number_makes_no_standstill() {
        let mut bytes = Plan {
            first: 3,
            end: 6,
            increment: 0,
            ..PLAN
        }
        .to_bytes();
        for text in [&b"\0"[..], b"x", b"nan", b"-inf", b"0.5"] {
            bytes[42..106].fill(0);
            bytes[42..42 + text.len()].copy_from_slice(text);
            let lengths: Vec<u32> = Plan::from_bytes(&bytes).lengths().collect();
            assert_eq!(lengths, [3, 4, 5], "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn the_next_length_is_a_sum_or_a_product_or_one_more() {
        let lengths = |first, end, increment, multiplier| -> Vec<u32> {
            let plan = Plan {
                first,
                end,
                increment,
                multiplier,
                ..PLAN
            };
            plan.lengths().collect()
        };
        assert_eq!(lengths(0, 5, 2, 9.0), [0, 2, 4]);
        assert_eq!(lengths(0, 9, 0, 2.0), [0, 1, 2, 4, 8]);
        assert_eq!(lengths(1, 10, 0, 1.5), [1, 2, 3, 4, 6, 9]);
        assert_eq!(lengths(9, 9, 1, 0.0), [0; 0]);
        assert_eq!(
            lengths(u32::MAX - 2, u32::MAX, 1, 0.0),
            [u32::MAX - 2, u32::MAX - 1]
        );
        assert_eq!(lengths(1 << 31, u32::MAX, 0, 2.0), [1 << 31]);
    }

    proptest! {
        #[test]
        fn whatever_a_sender_tells_its_lengths_grow_and_fit_the_room(
            bytes in prop::collection::vec(any::<u8>(), SIZE),
            multiplier in any::<f64>(),
        ) {
            let bytes: [u8; SIZE] = bytes.try_into().unwrap();
            let told = Plan::from_bytes(&bytes);
            for plan in [told, Plan { multiplier, increment: 0, ..told }] {
                let lengths: Vec<u32> = plan.lengths().take(100).collect();
                prop_assert!(lengths.is_sorted_by(|one, next| one < next));
                prop_assert!(lengths.iter().all(|length| *length as usize <= plan.longest()));
            }
        }
    }
}
