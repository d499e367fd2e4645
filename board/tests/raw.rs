//! RAW frames of processes: what a raw endpoint may send, and what reaches it.

mod world;

use mx_board::{BoardId, RawError};
use mx_ring::Counter;
use mx_wire::*;
use proptest::prelude::*;
use world::*;

const OTHER: MacAddress = MacAddress([2, 0, 0, 0, 0, 0x77]);

fn two_boards() -> (World, BoardId, BoardId) {
    let mut world = World::new(formats()[0]);
    let a = world.board(NODE_A, "a:0");
    let b = world.board(OTHER, "b:0");
    world.settle();
    world.ports.sent.clear();
    world.ports.raw.clear();
    (world, a, b)
}

/// A RAW frame whose payload is no beacon.
fn frame(source: MacAddress, destination: MacAddress) -> Vec<u8> {
    let mut bytes = [&destination.0[..], &source.0, &[0x86, 0xdf, 0, 0, 1]].concat();
    bytes.extend((0..60).map(|i| i | 0x80));
    bytes
}

fn send(world: &mut World, from: BoardId, bytes: &[u8]) -> Result<(), RawError> {
    world
        .switch
        .send_raw(world.now, from, bytes, &mut world.ports)
}

#[test]
fn a_frame_goes_out_as_it_was_written() {
    let (mut world, a, _) = two_boards();
    let bytes = frame(NODE_A, NODE_B);
    send(&mut world, a, &bytes).unwrap();
    assert_eq!(world.ports.sent, [bytes]);
    assert!(world.ports.raw.is_empty());
}

#[test]
fn a_broadcast_goes_out_and_to_the_other_boards_here_but_not_back() {
    let (mut world, a, b) = two_boards();
    let bytes = frame(NODE_A, MacAddress::BROADCAST);
    let heard = world.count(b, Counter::RecvRaw);
    send(&mut world, a, &bytes).unwrap();
    assert_eq!(world.ports.sent, std::slice::from_ref(&bytes));
    assert_eq!(world.ports.raw, [(b, bytes)]);
    assert_eq!(world.count(b, Counter::RecvRaw), heard + 1);
}

#[test]
fn a_frame_for_a_board_here_stays_here() {
    let (mut world, a, b) = two_boards();
    let bytes = frame(NODE_A, OTHER);
    send(&mut world, a, &bytes).unwrap();
    assert!(world.ports.sent.is_empty());
    assert_eq!(world.ports.raw, [(b, bytes)]);
}

#[test]
fn frames_from_the_wire_reach_the_boards_that_they_are_for_whole() {
    let (mut world, a, b) = two_boards();
    let everyone = frame(NODE_B, MacAddress::BROADCAST);
    world.frame(&everyone);
    let one = frame(NODE_B, OTHER);
    world.frame(&one);
    let raw = std::mem::take(&mut world.ports.raw);
    assert_eq!(raw, [(a, everyone.clone()), (b, everyone), (b, one)]);
}

#[test]
fn beacons_of_the_boards_here_reach_the_others_raw_endpoints_as_on_the_wire() {
    let mut world = World::new(formats()[0]);
    let a = world.board(NODE_A, "a:0");
    let b = world.board(OTHER, "b:0");
    world.settle();
    let raw = std::mem::take(&mut world.ports.raw);
    assert!(!raw.is_empty());
    for (to, bytes) in raw {
        let source = Frame::parse(&formats()[0], &bytes).expect("a frame").source;
        assert_eq!(source, if to == a { OTHER } else { NODE_A });
        assert!(to == a || to == b);
        assert!(world.ports.sent.contains(&bytes), "the same went out");
    }
}

#[test]
fn a_process_speaks_only_raw_and_only_as_its_board() {
    let (mut world, a, _) = two_boards();
    let stranger = send(&mut world, a, &frame(OTHER, NODE_B));
    assert_eq!(stranger, Err(RawError::OtherSource(OTHER)));
    let mut query = frame(NODE_A, NODE_B);
    query[16] = 3;
    assert_eq!(send(&mut world, a, &query), Err(RawError::OtherType));
    let mut foreign = frame(NODE_A, NODE_B);
    foreign[12] = 8;
    let unreadable = send(&mut world, a, &foreign);
    assert!(matches!(unreadable, Err(RawError::Unreadable(_))));
    let mut long = frame(NODE_A, NODE_B);
    long.resize(1025, 0);
    let unreadable = send(&mut world, a, &long);
    assert!(matches!(unreadable, Err(RawError::Unreadable(_))));
    assert!(world.ports.sent.is_empty());
    world.ports.room = Some(0);
    let full = send(&mut world, a, &frame(NODE_A, NODE_B));
    assert_eq!(full, Err(RawError::Full));
}

#[test]
fn a_process_names_no_index_and_no_beacon_but_its_boards() {
    let (mut world, a, b) = two_boards();
    let honest = frame(NODE_A, MacAddress::BROADCAST);
    let mut indexed = honest.clone();
    indexed[14..16].copy_from_slice(&[0, 7]);
    send(&mut world, a, &indexed).unwrap();
    assert_eq!(world.ports.sent, std::slice::from_ref(&honest));
    assert_eq!(world.ports.raw, [(b, honest)]);
    world.ports.sent.clear();
    let beacon_of = |board| {
        let beacon = Beacon { board, serial: 9 }.payload();
        let frame = Beacon::frame(NODE_A, &beacon);
        let mut bytes = [0; 64];
        let length = frame.emit(&formats()[0], &mut bytes).expect("64 bytes");
        bytes[..length].to_vec()
    };
    let other = send(&mut world, a, &beacon_of(OTHER));
    assert_eq!(other, Err(RawError::OtherBeacon(OTHER)));
    assert!(world.ports.sent.is_empty());
    send(&mut world, a, &beacon_of(NODE_A)).unwrap();
    send(&mut world, a, &beacon_of(MacAddress([0; 6]))).unwrap();
    assert_eq!(world.ports.sent.len(), 2);
}

#[test]
fn a_full_raw_queue_drops_and_counts() {
    let (mut world, _, b) = two_boards();
    world.ports.no_room = true;
    world.frame(&frame(NODE_B, OTHER));
    assert_eq!(world.count(b, Counter::DropRawQueueFull), 1);
}

proptest! {
    #[test]
    fn whatever_a_process_writes_what_goes_out_is_a_raw_frame_of_its_board(
        mut bytes in prop::collection::vec(any::<u8>(), 0..1200),
        own: bool,
        raw: bool,
        local: bool,
    ) {
        let (mut world, a, b) = two_boards();
        if let Some(head) = bytes.get_mut(..17) {
            head[12..14].copy_from_slice(&[0x86, 0xdf]);
            if own {
                head[6..12].copy_from_slice(&NODE_A.0);
            }
            if raw {
                head[16] = 1;
            }
            if local {
                head[..6].copy_from_slice(&OTHER.0);
            }
        }
        let sent = send(&mut world, a, &bytes);
        for frame in &world.ports.sent {
            let parsed = Frame::parse(&formats()[0], frame).expect("a frame");
            prop_assert_eq!((parsed.packet, parsed.source), (Packet::Raw, NODE_A));
            let mut stamped = bytes.clone();
            stamped[14..16].fill(0);
            prop_assert!(frame.starts_with(&stamped));
        }
        prop_assert!(sent.is_ok() || world.ports.sent.is_empty());
        prop_assert!(world.ports.raw.iter().all(|(to, _)| *to == b));
    }
}
