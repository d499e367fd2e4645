//! The examples of wire.md §6, byte for byte: parsed to the values that its text names, built from them, and shown.
//!
//! Host A = 02:00:00:00:0a:01, endpoint 1; host B = 02:00:00:00:0b:02, endpoint 2. A knows B as peer 3, B knows A
//! as peer 7.

extern crate std;

use std::string::ToString;
use std::vec;
use std::vec::Vec;

use crate::{Content, Ends, Format, Frame, MacAddress, Message, Packet};

pub const A: MacAddress = MacAddress([2, 0, 0, 0, 0x0a, 1]);
pub const B: MacAddress = MacAddress([2, 0, 0, 0, 0x0b, 2]);
pub const SESSION_A: u32 = 0xa1a2_a3a4;
pub const SESSION_B: u32 = 0xb1b2_b3b4;
pub const MATCH_INFO: u64 = 0x1122_3344_5566_7788;

/// From A's endpoint to B's.
pub const A_TO_B: Ends = Ends {
    destination: 2,
    source: 1,
};
/// From B's endpoint to A's.
pub const B_TO_A: Ends = Ends {
    destination: 1,
    source: 2,
};

pub fn native() -> Format {
    Format::native(9000).expect("9000 is in range")
}

pub fn a_to_b(packet: Packet, payload: &[u8]) -> Frame<'_> {
    Frame {
        destination: B,
        source: A,
        sender_index: Some(7),
        packet,
        payload,
    }
}

pub fn b_to_a(packet: Packet, payload: &[u8]) -> Frame<'_> {
    Frame {
        destination: A,
        source: B,
        sender_index: Some(3),
        packet,
        payload,
    }
}

/// To the session of the destination.
pub fn message(ends: Ends, seq: u16, ack: u16, content: Content) -> Packet {
    Packet::Message {
        ends,
        session: if ends == A_TO_B { SESSION_B } else { SESSION_A },
        message: Message { seq, ack, content },
    }
}

/// A frame, its bytes, and the line that shows it. `hex` leaves out zeros at the end, and a long payload.
#[track_caller]
pub fn is_both_ways(format: Format, frame: Frame<'_>, hex: &str, text: &str) {
    let mut expected: Vec<u8> = hex
        .split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).expect("hex"))
        .collect();
    if frame.payload.len() > 128 {
        expected.extend_from_slice(frame.payload);
    }
    expected.resize(expected.len().max(60), 0);
    assert_eq!(Frame::parse(&format, &expected), Ok(frame));
    let mut buffer = vec![0xee; 10_000];
    let length = frame.emit(&format, &mut buffer).expect("buildable");
    assert_eq!(&buffer[..length], expected);
    assert!(buffer[length..].iter().all(|&byte| byte == 0xee));
    assert_eq!(frame.to_string(), text);
}
