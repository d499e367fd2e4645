//! What two native Open-MX nodes said, said again by two of these: the same frames, field by field.
//!
//! Left out are explicit acknowledgements, which follow the native nodes' pauses, and the handles of pulls, which the
//! native driver counts and a new board chooses at random.

use std::path::Path;

use mx_wire::{Connect, Frame, MacAddress, Packet};
use omx_captures::{Frames, format_named};

use super::world::{Station, World, connect, content, finish, pattern};
use crate::endpoint::Buffer;

const A: MacAddress = MacAddress([0x52, 0x54, 0, 0, 0x0a, 1]);
const B: MacAddress = MacAddress([0x52, 0x54, 0, 0, 0x0b, 2]);
const KEY: u32 = 0x1234_5678;
const MATCH: u64 = 0x1122_3344_5566_7700;

/// A frame without what is left to chance; `None` for what is left out.
fn essence<'a>(frame: &Frame<'a>) -> Option<Frame<'a>> {
    let mut frame = *frame;
    match &mut frame.packet {
        Packet::LibAck(_) | Packet::Raw | Packet::HostQuery(_) | Packet::HostReply(_) => {
            return None;
        }
        Packet::Pull(pull) => pull.handle = 0,
        Packet::PullReply(reply) => {
            reply.handle = 0;
            // Native nodes leave this field as it is.
            frame.sender_index = None;
        }
        _ => {}
    }
    Some(frame)
}

/// The sessions of A and B, as their connects say them.
fn sessions(frames: &[Frame<'_>]) -> (u32, u32) {
    frames
        .iter()
        .find_map(|frame| match frame.packet {
            Packet::Connect(Connect::Reply(reply)) if frame.source == B => {
                Some((reply.requester_session, reply.session))
            }
            _ => None,
        })
        .expect("a reply of B")
}

/// Runs a scenario with the sessions of a capture, and compares the frames.
fn says_the_same(folder: &str, file: &str, run: impl FnOnce(&World, &mut Station, &mut Station)) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../wire/tests/captures")
        .join(folder)
        .join(file);
    let bytes = std::fs::read(&path).expect("a capture");
    let format = format_named(folder).expect("a format");
    let recorded: Vec<Vec<u8>> = Frames::new(&bytes)
        .expect("a pcap")
        .map(|frame| frame.expect("a whole frame").to_vec())
        .collect();
    let recorded: Vec<Frame<'_>> = recorded
        .iter()
        .map(|frame| Frame::parse(&format, frame).expect("a good frame"))
        .collect();
    let (session_a, session_b) = sessions(&recorded);

    let world = World::with_addresses(&[A, B], format, 1);
    let mut a = world.open(0, 0, session_a, KEY);
    let mut b = world.open(1, 3, session_b, KEY);
    world.net().log = Some(Vec::new());
    run(&world, &mut a, &mut b);
    let log = world.net().log.take().expect("set above");
    let said: Vec<Frame<'_>> = log
        .iter()
        .map(|(_, frame)| Frame::parse(&format, frame).expect("a good frame"))
        .collect();

    let recorded: Vec<_> = recorded.iter().filter_map(essence).collect();
    let said: Vec<_> = said.iter().filter_map(essence).collect();
    assert!(recorded.len() > 3, "{folder}/{file} shows too little");
    assert!(said.len() >= recorded.len(), "{folder}/{file} goes on");
    for (at, (recorded, said)) in recorded.iter().zip(&said).enumerate() {
        assert_eq!(recorded, said, "frame {at} of {folder}/{file}");
    }
}

/// B sends each message back; it connects after the first one and before its first answer.
fn echo(lengths: &'static [usize]) -> impl Fn(&World, &mut Station, &mut Station) {
    move |_world, a, b| {
        let to_b = connect(a, b);
        let mut to_a = None;
        for (number, length) in (1u64..).zip(lengths) {
            let info = MATCH | number;
            let message = pattern(*length, info);
            let (there, back) = (Buffer::new(*length).unwrap(), Buffer::new(*length).unwrap());
            let receive = b.receive(&there, 0, 0);
            a.send(to_b, &message, info, false);
            finish(b, a, receive);
            let to_a = *to_a.get_or_insert_with(|| connect(b, a));
            let receive = a.receive(&back, 0, 0);
            b.send(to_a, &content(&there, *length), info, false);
            finish(a, b, receive);
            assert!(content(&back, *length) == message);
        }
    }
}

#[test]
fn tiny_messages_look_as_native_nodes_send_them() {
    for folder in ["mtu9000", "mtu1500", "mxwire"] {
        says_the_same(folder, "03-tiny.pcap", echo(&[0, 1, 5, 16, 31, 32]));
    }
}

#[test]
fn small_messages_look_as_native_nodes_send_them() {
    for folder in ["mtu9000", "mtu1500", "mxwire"] {
        says_the_same(folder, "04-small.pcap", echo(&[33, 34, 64, 127, 128]));
    }
}

#[test]
fn medium_messages_look_as_native_nodes_send_them() {
    let lengths = &[129, 1000, 1400];
    says_the_same("mtu9000", "05-medium-1frag.pcap", echo(lengths));
    says_the_same("mtu1500", "05-medium-1frag.pcap", echo(lengths));
    let lengths = &[4096, 4097, 8192, 8193, 20001, 32768];
    says_the_same("mtu9000", "06-medium-nfrag.first-11.pcap", echo(lengths));
    says_the_same("mxwire", "06-medium-nfrag.first-7.pcap", echo(lengths));
}

#[test]
fn truncated_messages_are_pulled_and_notified_as_by_native_nodes() {
    for folder in ["mtu9000", "mxwire"] {
        says_the_same(folder, "41-truncated-recv.pcap", |_world, a, b| {
            let to_b = connect(a, b);
            for (number, length) in (1u64..).zip([50, 3000, 50_000]) {
                let info = MATCH | number;
                let place = Buffer::new(100).unwrap();
                let receive = b.receive(&place, 0, 0);
                let send = a.send(to_b, &pattern(length, info), info, false);
                finish(b, a, receive);
                finish(a, b, send);
            }
        });
    }
}
