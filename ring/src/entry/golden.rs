//! The bytes of each descriptor in version 6 of the ABI: a change here is a new version.

extern crate std;

use std::format;
use std::string::String;

use super::Entry;
use crate::message::{Command, Destination, Event, Farewell, Origin, Pulled, RegionKey};

const TO: Destination = Destination {
    peer: 0x0201,
    endpoint: 3,
    session: SESSION,
};
const FROM: Origin = Origin {
    peer: 0x0201,
    endpoint: 3,
    local: true,
};
const SESSION: u32 = 0x0706_0504;
const SEQ: u16 = 0x0908;
const ACK: u16 = 0x0b0a;
const MATCH: u64 = 0x1716_1514_1312_1110;
/// At 24.
const WORD: u32 = 0x1b1a_1918;
/// Elsewhere.
const OTHER: u32 = 0xe3e2_e1e0;

const COMMANDS: [&str; 12] = [
    "130301020405060708090a0b05000000101112131415161705000000808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
    "140301020405060708090a0b80000000101112131415161780",
    "150301020405060708090a0b0c0d0700101112131415161718191a1be0e1e2e3",
    "160301020405060708090a0b00000000101112131415161718191a1b1c1d",
    "170301020405060708090a0b00000000000000000000000018191a1b1c1d",
    "11030102000000000809000000000000000000000000000018191a1b1c",
    "120301020405060708090000000000000000000000000000000000001c0b",
    "180301020405060700000a0b00000000000000000000000018191a1b",
    "20030102040506070000000000000000000000000000000018191a1b1c1d0000e0e1e2e32425262728292a2b2c2d2e2f",
    "2200000000000000000000000000000000000000000000000000000000000000e0e1e2e3",
    "230301020405060700000a0b0000000000000000000000000000000000000000e0e1e2e3",
    "230301020405060708090a0b00000000000000000000000018191a1b1c1d0100e0e1e2e3",
];

const EVENTS: [&str; 11] = [
    "130301020000000008090a0b20000001101112131415161720000000808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
    "140301020000000008090a0b80000001101112131415161780000000e0e1e2e3",
    "150301020000000008090a0b0c0d0701101112131415161718191a1be0e1e2e3",
    "160301020000000008090a0b00000001101112131415161718191a1b1c1d1e1f",
    "170301020000000008090a0b00000001000000000000000018191a1b1c1d",
    "11030102040506070809000000000001000000000000000018191a1b1c",
    "12030102040506070809000000000001000000000000000018191a1b1c0b",
    "180301020000000000000a0b00000000000000000000000018191a1b",
    "1903010200000000080900000000000100000000000000000000000003",
    "1a000000000000000000000000000000000000000000000018191a1b1c1d",
    "21000000000000000000000000000000000000000000000018191a1b06000000e0e1e2e3",
];

fn data() -> [u8; 32] {
    core::array::from_fn(|at| 0x80 + at as u8)
}

/// In hexadecimal, by the lines of the picture in the module's head; what is zero at the end is left out.
fn words(entry: &Entry) -> String {
    let mut text = String::new();
    let used = entry.bytes.iter().rposition(|byte| *byte != 0);
    for byte in &entry.bytes[..used.map_or(0, |last| last + 1)] {
        text += &format!("{byte:02x}");
    }
    text
}

fn entry(text: &str) -> Entry {
    let mut entry = Entry::zeroed();
    for (at, byte) in entry.bytes.iter_mut().enumerate() {
        *byte = text.get(2 * at..2 * at + 2).map_or(0, |digits| {
            u8::from_str_radix(digits, 16).expect("hexadecimal")
        });
    }
    entry
}

#[test]
fn commands_have_the_bytes_of_abi_version_6() {
    let to = TO;
    let commands = [
        Command::Tiny {
            to,
            seq: SEQ,
            ack: ACK,
            match_info: MATCH,
            length: 5,
            data: data(),
        },
        Command::Small {
            to,
            seq: SEQ,
            ack: ACK,
            match_info: MATCH,
            length: 128,
        },
        Command::Medium {
            to,
            seq: SEQ,
            ack: ACK,
            match_info: MATCH,
            total: WORD,
            fragment: 7,
            length: 0x0d0c,
            offset: OTHER,
        },
        Command::Rendezvous {
            to,
            seq: SEQ,
            ack: ACK,
            match_info: MATCH,
            total: WORD,
            window: 0x1c,
            window_seqnum: 0x1d,
        },
        Command::Notify {
            to,
            seq: SEQ,
            ack: ACK,
            transferred: WORD,
            window: 0x1c,
            window_seqnum: 0x1d,
        },
        Command::ConnectRequest {
            peer: to.peer,
            endpoint: to.endpoint,
            key: WORD,
            next_expected: SEQ,
            connect_seqnum: 0x1c,
        },
        Command::ConnectReply {
            peer: to.peer,
            endpoint: to.endpoint,
            requester_session: to.session,
            next_expected: SEQ,
            connect_seqnum: 0x1c,
            status: 11,
        },
        Command::Ack {
            to,
            ack: ACK,
            ack_number: WORD,
        },
        Command::Pull {
            to,
            region: RegionKey {
                slot: 0x2524,
                generation: 0x2726,
            },
            offset: 0x2b2a_2928,
            length: WORD,
            window: 0x1c,
            window_seqnum: 0x1d,
            window_offset: 0x2f2e_2d2c,
            cookie: OTHER,
        },
        Command::AbortPull { cookie: OTHER },
        Command::Leave {
            to,
            farewell: Farewell {
                ack: ACK,
                ack_number: OTHER,
                notice: None,
            },
        },
        Command::Leave {
            to,
            farewell: Farewell {
                ack: ACK,
                ack_number: OTHER,
                notice: Some(Pulled {
                    seq: SEQ,
                    transferred: WORD,
                    window: 0x1c,
                    window_seqnum: 0x1d,
                }),
            },
        },
    ];
    let words = commands.map(|command| words(&Entry::from_command(&command)));
    assert_eq!(words, COMMANDS);
    for (command, bytes) in commands.iter().zip(COMMANDS) {
        assert_eq!(entry(bytes).command(), Ok(*command));
    }
}

#[test]
fn events_have_the_bytes_of_abi_version_6() {
    let from = FROM;
    let events = [
        Event::Tiny {
            from,
            seq: SEQ,
            ack: ACK,
            match_info: MATCH,
            length: 32,
            data: data(),
        },
        Event::Small {
            from,
            seq: SEQ,
            ack: ACK,
            match_info: MATCH,
            length: 128,
            position: OTHER,
        },
        Event::Medium {
            from,
            seq: SEQ,
            ack: ACK,
            match_info: MATCH,
            total: WORD,
            fragment: 7,
            length: 0x0d0c,
            position: OTHER,
        },
        Event::Rendezvous {
            from,
            seq: SEQ,
            ack: ACK,
            match_info: MATCH,
            total: WORD,
            window: 0x1c,
            window_seqnum: 0x1d,
            window_offset: 0x1f1e,
        },
        Event::Notify {
            from,
            seq: SEQ,
            ack: ACK,
            transferred: WORD,
            window: 0x1c,
            window_seqnum: 0x1d,
        },
        Event::ConnectRequest {
            from,
            session: SESSION,
            key: WORD,
            next_expected: SEQ,
            connect_seqnum: 0x1c,
        },
        Event::ConnectReply {
            from,
            requester_session: SESSION,
            session: WORD,
            next_expected: SEQ,
            connect_seqnum: 0x1c,
            status: 11,
        },
        Event::Ack {
            from: Origin {
                local: false,
                ..from
            },
            ack: ACK,
            ack_number: WORD,
        },
        Event::Nack {
            from,
            seq: SEQ,
            code: 3,
        },
        Event::Wanted {
            window: 0x1c,
            window_seqnum: 0x1d,
            offset: WORD,
        },
        Event::PullDone {
            cookie: OTHER,
            status: 6,
            transferred: WORD,
        },
    ];
    let words = events.map(|event| words(&Entry::from_event(&event)));
    assert_eq!(words, EVENTS);
    for (event, bytes) in events.iter().zip(EVENTS) {
        assert_eq!(entry(bytes).event(), Ok(*event));
    }
}
