//! Every example of wire.md §6, byte for byte: parsed to the values that its text names, and built from them.
//!
//! Host A = 02:00:00:00:0a:01, endpoint 1; host B = 02:00:00:00:0b:02, endpoint 2. A knows B as peer 3, B knows A
//! as peer 7.

use mx_wire::{
    Beacon, Connect, ConnectReply, ConnectRequest, Ends, Format, Frame, HostQuery, HostReply,
    LibAck, MacAddress, Medium, Message, NackLib, NackMcp, Notify, Packet, Pull, PullBlock,
    PullReply, Rendezvous,
};

const A: MacAddress = MacAddress([2, 0, 0, 0, 0x0a, 1]);
const B: MacAddress = MacAddress([2, 0, 0, 0, 0x0b, 2]);
const SESSION_A: u32 = 0xa1a2_a3a4;
const SESSION_B: u32 = 0xb1b2_b3b4;
const MATCH_INFO: u64 = 0x1122_3344_5566_7788;

/// From A's endpoint to B's.
const A_TO_B: Ends = Ends {
    destination: 2,
    source: 1,
};
/// From B's endpoint to A's.
const B_TO_A: Ends = Ends {
    destination: 1,
    source: 2,
};

fn native() -> Format {
    Format::native(9000).expect("9000 is in range")
}

/// The bytes that `hex` writes, followed by zeros up to `length`.
fn bytes(hex: &str, length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = hex
        .split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).expect("hex"))
        .collect();
    assert!(bytes.len() <= length);
    bytes.resize(length, 0);
    bytes
}

#[track_caller]
fn is_both_ways(format: Format, frame: Frame<'_>, expected: &[u8]) {
    assert_eq!(Frame::parse(&format, expected), Ok(frame));
    let mut buffer = vec![0xee; 10_000];
    let length = frame.emit(&format, &mut buffer).expect("buildable");
    assert_eq!(&buffer[..length], expected);
    assert!(buffer[length..].iter().all(|&byte| byte == 0xee));
}

fn a_to_b(packet: Packet, payload: &[u8]) -> Frame<'_> {
    Frame {
        destination: B,
        source: A,
        sender_index: Some(7),
        packet,
        payload,
    }
}

fn b_to_a(packet: Packet, payload: &[u8]) -> Frame<'_> {
    Frame {
        destination: A,
        source: B,
        sender_index: Some(3),
        packet,
        payload,
    }
}

#[test]
fn raw_beacon() {
    let expected = bytes(
        "ff ff ff ff ff ff 02 00 00 00 0a 01 86 df 00 00
         01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
         00 00 02 00 00 00 0a 01 12 34 56 78 00 00 00 00
         00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
        64,
    );
    let beacon = Beacon {
        board: A,
        serial: 0x1234_5678,
    };
    let payload = beacon.payload();
    let frame = Beacon::frame(A, &payload);
    is_both_ways(native(), frame, &expected);
    assert_eq!(Beacon::parse(frame.payload), Some(beacon));
}

#[test]
fn host_query() {
    let expected = bytes(
        "02 00 00 00 0b 02 02 00 00 00 0a 01 86 df 00 00
         03 00 00 03 00 00 00 00 13 05 20 08",
        60,
    );
    let query = Packet::HostQuery(HostQuery {
        sender_index: 3,
        magic: HostQuery::FIRST_MAGIC,
    });
    let frame = Frame {
        sender_index: Some(0),
        ..a_to_b(query, &[])
    };
    is_both_ways(native(), frame, &expected);
}

#[test]
fn host_reply() {
    let expected = bytes(
        "02 00 00 00 0a 01 02 00 00 00 0b 02 86 df 00 00
         04 08 00 07 00 00 00 00 13 05 20 08 00 00 00 00
         6e 6f 64 65 42 3a 30 00",
        68,
    );
    let reply = Packet::HostReply(HostReply {
        sender_index: 7,
        magic: HostQuery::FIRST_MAGIC,
    });
    let frame = Frame {
        sender_index: Some(0),
        ..b_to_a(reply, b"nodeB:0")
    };
    is_both_ways(native(), frame, &expected);
}

#[test]
fn connect_request() {
    let expected = bytes(
        "02 00 00 00 0b 02 02 00 00 00 0a 01 86 df ff ff
         24 02 01 00 10 00 00 00 00 00 00 03 00 00 00 00
         a1 a2 a3 a4 12 34 56 78 00 01 00 00",
        60,
    );
    let request = Packet::Connect(Connect::Request(ConnectRequest {
        ends: A_TO_B,
        sender_index: 3,
        session: SESSION_A,
        key: 0x1234_5678,
        next_expected: 1,
        connect_seqnum: 0,
    }));
    let frame = Frame {
        sender_index: None,
        ..a_to_b(request, &[])
    };
    is_both_ways(native(), frame, &expected);
}

#[test]
fn connect_reply() {
    let expected = bytes(
        "02 00 00 00 0a 01 02 00 00 00 0b 02 86 df 00 03
         24 01 02 00 10 00 00 00 00 00 00 07 00 00 00 00
         a1 a2 a3 a4 b1 b2 b3 b4 00 01 01 00",
        60,
    );
    let reply = Packet::Connect(Connect::Reply(ConnectReply {
        ends: B_TO_A,
        sender_index: 7,
        requester_session: SESSION_A,
        session: SESSION_B,
        next_expected: 1,
        connect_seqnum: 0,
        status: 0,
    }));
    is_both_ways(native(), b_to_a(reply, &[]), &expected);
}

fn message(length: u16, seq: u16) -> Message {
    Message {
        ends: A_TO_B,
        length,
        seq,
        ack: 1,
        match_info: MATCH_INFO,
        session: SESSION_B,
    }
}

#[test]
fn tiny() {
    let expected = bytes(
        "02 00 00 00 0b 02 02 00 00 00 0a 01 86 df 00 07
         25 02 01 00 00 05 00 00 00 01 00 01 11 22 33 44
         55 66 77 88 b1 b2 b3 b4 68 65 6c 6c 6f",
        60,
    );
    let tiny = Packet::Tiny(message(5, 1));
    is_both_ways(native(), a_to_b(tiny, b"hello"), &expected);
}

#[test]
fn small() {
    let expected = bytes(
        "02 00 00 00 0b 02 02 00 00 00 0a 01 86 df 00 07
         26 02 01 00 00 28 00 00 00 02 00 01 11 22 33 44
         55 66 77 88 b1 b2 b3 b4 00 01 02 03 04 05 06 07
         08 09 0a 0b 0c 0d 0e 0f 10 11 12 13 14 15 16 17
         18 19 1a 1b 1c 1d 1e 1f 20 21 22 23 24 25 26 27",
        80,
    );
    let data: Vec<u8> = (0..40).collect();
    let small = Packet::Small(message(40, 2));
    is_both_ways(native(), a_to_b(small, &data), &expected);
}

/// The fragment at offset 8192 of a message of 10 000 bytes: its number depends on M.
fn medium(fragment: u8) -> Medium {
    Medium {
        ends: A_TO_B,
        total: 10_000,
        seq: 3,
        ack: 1,
        match_info: MATCH_INFO,
        session: SESSION_B,
        length: 1808,
        fragment,
    }
}

#[test]
fn medium_native() {
    let mut expected = bytes(
        "02 00 00 00 0b 02 02 00 00 00 0a 01 86 df 00 07
         27 02 01 00 00 00 27 10 00 03 00 01 11 22 33 44
         55 66 77 88 b1 b2 b3 b4 07 10 01 00 00 00 00 00",
        1856,
    );
    expected[48..].fill(0xaa);
    let medium = medium(1);
    assert_eq!(medium.offset(&native()), 8192);
    let frame = a_to_b(Packet::Medium(medium), &[0xaa; 1808]);
    is_both_ways(native(), frame, &expected);
}

#[test]
fn medium_mx_wire() {
    let mut expected = bytes(
        "02 00 00 00 0b 02 02 00 00 00 0a 01 86 df 00 07
         27 02 01 00 27 10 00 00 00 03 00 01 11 22 33 44
         55 66 77 88 b1 b2 b3 b4 07 10 02 0c 00 00 00 00",
        1856,
    );
    expected[48..].fill(0xaa);
    let medium = medium(2);
    assert_eq!(medium.offset(&Format::mx_wire()), 8192);
    let frame = a_to_b(Packet::Medium(medium), &[0xaa; 1808]);
    is_both_ways(Format::mx_wire(), frame, &expected);
}

#[test]
fn rendezvous() {
    let expected = bytes(
        "02 00 00 00 0b 02 02 00 00 00 0a 01 86 df 00 07
         28 02 01 00 00 08 00 00 00 04 00 01 11 22 33 44
         55 66 77 88 b1 b2 b3 b4 00 10 00 00 00 17 00 00",
        60,
    );
    let rendezvous = Packet::Rendezvous(Rendezvous {
        ends: A_TO_B,
        seq: 4,
        ack: 1,
        match_info: MATCH_INFO,
        session: SESSION_B,
        total: 1 << 20,
        window: 0,
        window_seqnum: 0x17,
        window_offset: 0,
    });
    is_both_ways(native(), a_to_b(rendezvous, &[]), &expected);
}

/// B pulls the first block of A's window 0.
fn pull(block_length: u32) -> Pull {
    Pull {
        ends: B_TO_A,
        session: SESSION_A,
        total: 1 << 20,
        window: 0,
        window_seqnum: 0x17,
        window_offset: 0,
        handle: 0x23,
        magic: Pull::MAGIC ^ 2,
        first_frame_offset: 0,
        block_length,
        frame_index: 0,
    }
}

#[test]
fn pull_native() {
    let expected = bytes(
        "02 00 00 00 0a 01 02 00 00 00 0b 02 86 df 00 03
         29 01 02 00 a1 a2 a3 a4 00 10 00 00 00 00 00 00
         17 00 00 00 00 00 00 00 00 00 00 23 21 07 19 82
         00 00 00 00 00 04 61 00 00 00 00 00",
        60,
    );
    let pull = pull(286_976);
    is_both_ways(native(), b_to_a(Packet::Pull(pull), &[]), &expected);
    let block = PullBlock::new(&native(), &pull).expect("servable");
    assert_eq!(block.replies(), 32);
}

#[test]
fn pull_mx_wire() {
    let expected = bytes(
        "02 00 00 00 0a 01 02 00 00 00 0b 02 86 df 00 03
         29 01 02 00 a1 a2 a3 a4 00 10 00 00 00 17 00 00
         00 00 00 23 21 07 19 82 00 00 80 00 00 00 00 00",
        60,
    );
    let pull = pull(32_768);
    let format = Format::mx_wire();
    is_both_ways(format, b_to_a(Packet::Pull(pull), &[]), &expected);
    let block = PullBlock::new(&format, &pull).expect("servable");
    assert_eq!(block.replies(), 8);
}

#[test]
fn pull_reply() {
    let mut expected = bytes(
        "02 00 00 00 0b 02 02 00 00 00 0a 01 86 df 00 00
         2a 01 23 08 00 00 23 08 00 00 00 23 21 07 19 82",
        9000,
    );
    expected[32..].fill(0x55);
    let reply = PullReply {
        frame_seqnum: 1,
        length: 8968,
        message_offset: 8968,
        handle: 0x23,
        magic: Pull::MAGIC ^ 2,
    };
    let frame = Frame {
        sender_index: Some(0),
        ..a_to_b(Packet::PullReply(reply), &[0x55; 8968])
    };
    is_both_ways(native(), frame, &expected);

    let block = PullBlock::new(&native(), &pull(286_976)).expect("servable");
    let second = block.reply(1).expect("32 replies");
    assert_eq!(second.frame_seqnum, reply.frame_seqnum);
    assert_eq!(second.length, reply.length);
    assert_eq!(second.message_offset, reply.message_offset);
}

#[test]
fn notify() {
    let expected = bytes(
        "02 00 00 00 0a 01 02 00 00 00 0b 02 86 df 00 03
         2b 01 02 00 a1 a2 a3 a4 00 10 00 00 00 17 00 00
         00 00 00 01 00 05",
        60,
    );
    let notify = Packet::Notify(Notify {
        ends: B_TO_A,
        session: SESSION_A,
        transferred: 1 << 20,
        window: 0,
        window_seqnum: 0x17,
        seq: 1,
        ack: 5,
    });
    is_both_ways(native(), b_to_a(notify, &[]), &expected);
}

#[test]
fn truc() {
    let expected = bytes(
        "02 00 00 00 0a 01 02 00 00 00 0b 02 86 df 00 03
         23 01 02 00 10 00 00 00 a1 a2 a3 a4 55 00 00 05
         a1 a2 a3 a4 00 00 00 01 00 05 00 00",
        60,
    );
    let ack = Packet::LibAck(LibAck {
        ends: B_TO_A,
        session: SESSION_A,
        ack: 5,
        ack_number: 1,
    });
    is_both_ways(native(), b_to_a(ack, &[]), &expected);
}

#[test]
fn nack_lib() {
    let expected = bytes(
        "02 00 00 00 0a 01 02 00 00 00 0b 02 86 df 00 03
         2c 02 00 03 00 00 00 00 00 01 00 03 00 01 00 00",
        60,
    );
    let nack = Packet::NackLib(NackLib {
        ends: B_TO_A,
        code: 3,
        seq: 1,
    });
    is_both_ways(native(), b_to_a(nack, &[]), &expected);
}

#[test]
fn nack_mcp() {
    let expected = bytes(
        "02 00 00 00 0b 02 02 00 00 00 0a 01 86 df 00 07
         2d 02 00 04 00 00 00 00 00 00 00 23 21 07 19 82",
        60,
    );
    let nack = Packet::NackMcp(NackMcp {
        source: 2,
        code: 4,
        handle: 0x23,
        magic: Pull::MAGIC ^ 2,
    });
    is_both_ways(native(), a_to_b(nack, &[]), &expected);
}
