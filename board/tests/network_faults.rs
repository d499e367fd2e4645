//! What a receiver can know of a network that is wrong, it says: once, counted, and about whom.

mod world;

use mx_board::BoardId;
use mx_ring::Counter;
use mx_ring::warning::{Notice, Warning};
use mx_wire::*;
use world::*;

/// A board at NODE_A that speaks this format, with endpoint 0 of session 0xa; NODE_B is its peer 1.
fn node(format: Format) -> (World, BoardId) {
    let mut world = World::new(format);
    let a = world.board(NODE_A, "a:0");
    world.open(key(a, 0), 0xa);
    let beacon = beacon(NODE_B, 1);
    world.frame(&beacon);
    world.settle();
    assert_eq!(unsaid(&mut world, a), []);
    (world, a)
}

fn beacon(board: MacAddress, serial: u32) -> Vec<u8> {
    let payload = Beacon { board, serial }.payload();
    bytes(&formats()[1], Beacon::frame(board, &payload))
}

fn bytes(format: &Format, frame: Frame<'_>) -> Vec<u8> {
    let mut buffer = [0; 9100];
    let length = frame.emit(format, &mut buffer).unwrap();
    buffer[..length].to_vec()
}

fn from_b(format: &Format, packet: Packet, payload: &[u8]) -> Vec<u8> {
    let frame = Frame {
        destination: NODE_A,
        source: NODE_B,
        sender_index: Some(1),
        packet,
        payload,
    };
    bytes(format, frame)
}

fn unsaid(world: &mut World, board: BoardId) -> Vec<(Warning, Notice)> {
    let warnings = world.switch.warnings_mut(board).unwrap();
    std::iter::from_fn(|| warnings.take_unsaid()).collect()
}

fn notice(times: u32, about: MacAddress) -> Notice {
    Notice { times, about }
}

#[test]
fn another_machine_with_our_address_is_told_from_our_own_frames_that_come_back() {
    let (mut world, a) = node(formats()[1]);
    let drops = world.count(a, Counter::DropBadPeerAddr);
    world.frame(&beacon(NODE_A, 0x1234));
    world.frame(&beacon(NODE_A, 0x1234));
    let expected = (Warning::OwnAddress, notice(2, NODE_A));
    assert_eq!(unsaid(&mut world, a), [expected]);
    world.frame(&beacon(NODE_A, 0x1234));
    assert_eq!(unsaid(&mut world, a), [], "once");
    assert_eq!(world.count(a, Counter::DropBadPeerAddr), drops + 3);

    world.now = second(400);
    world.settle();
    let mut sent = world.ports.sent.drain(..);
    let own = sent.rfind(|frame| frame[..6] == MacAddress::BROADCAST.0);
    drop(sent);
    world.frame(&own.expect("the board's beacon"));
    assert_eq!(unsaid(&mut world, a), [(Warning::Echo, notice(1, NODE_A))]);
}

#[test]
fn an_address_of_this_backend_that_asks_from_the_wire_is_known_for_another_machine() {
    let (mut world, a) = node(formats()[1]);
    let b = world.board(NODE_B, "b:0");
    let query = Packet::HostQuery(HostQuery {
        sender_index: 0,
        magic: HostQuery::FIRST_MAGIC,
    });
    world.frame(&from_b(&formats()[1], query, &[]));
    assert_eq!(unsaid(&mut world, a), []);
    assert_eq!(
        unsaid(&mut world, b),
        [(Warning::OwnAddress, notice(1, NODE_B))]
    );
}

/// The frames by which a machine of that format shows it: pieces of messages, and requests for them.
fn telling(format: &Format) -> Vec<(&'static str, Vec<u8>)> {
    let ends = Ends {
        destination: 0,
        source: 7,
    };
    let total = 30_000;
    let length = format.medium_fragment();
    let medium = Packet::Message {
        ends,
        session: 0xa,
        message: Message {
            seq: 1,
            ack: 1,
            content: Content::Medium(Medium {
                match_info: 0,
                total,
                length,
                fragment: 0,
            }),
        },
    };
    let reply = Packet::PullReply(PullReply {
        frame_seqnum: 0,
        length: format.pull_reply(),
        message_offset: 0,
        handle: 1,
        magic: Pull::MAGIC,
    });
    let pull = Packet::Pull(Pull {
        ends,
        session: 0xa,
        total: 1 << 20,
        window: 0,
        window_seqnum: 23,
        window_offset: 0,
        handle: 1,
        magic: Pull::MAGIC ^ 7,
        first_frame_offset: 0,
        block_length: format.block_length(),
        frame_index: 0,
    });
    vec![
        ("medium", from_b(format, medium, &pattern(length.into()))),
        (
            "reply",
            from_b(format, reply, &pattern(format.pull_reply().into())),
        ),
        ("pull", from_b(format, pull, &[])),
    ]
}

#[test]
fn a_machine_of_another_frame_size_or_wire_format_is_known_by_either_side() {
    for ours in formats() {
        for theirs in formats() {
            let (mut world, a) = node(ours);
            let mut shown = Vec::new();
            for (what, frame) in telling(&theirs) {
                world.frame(&frame);
                let said = unsaid(&mut world, a);
                if !said.is_empty() {
                    assert_eq!(said[0].0, Warning::OtherFormat);
                    assert_eq!(said[0].1.about, NODE_B);
                    shown.push(what);
                }
            }
            let same = ours == theirs;
            assert_eq!(shown.is_empty(), same, "{ours:?} {theirs:?}: {shown:?}");
            assert!(
                same || shown[0] == "medium",
                "{ours:?} {theirs:?}: {shown:?}"
            );
        }
    }
}

#[test]
fn a_frame_longer_than_all_of_our_format_is_told() {
    let (mut world, a) = node(formats()[0]);
    let query = Packet::HostQuery(HostQuery {
        sender_index: 0,
        magic: HostQuery::FIRST_MAGIC,
    });
    let mut frame = from_b(&formats()[0], query, &[]);
    frame.resize(1500, 0);
    world.frame(&frame);
    assert_eq!(unsaid(&mut world, a), []);
    frame.resize(1501, 0);
    world.frame(&frame);
    assert_eq!(
        unsaid(&mut world, a),
        [(Warning::OtherFormat, notice(1, NODE_B))]
    );
}

#[test]
fn a_fault_that_is_seen_no_more_is_over_and_is_said_anew_when_it_comes_back() {
    let (mut world, a) = node(formats()[1]);
    world.frame(&beacon(NODE_A, 0x1234));
    assert_eq!(unsaid(&mut world, a).len(), 1);
    world.now = second(400);
    world.settle();
    let board = world.switch.board(a).unwrap();
    assert!(board.warnings().notices().has(Warning::OwnAddress));
    world.now = second(1000);
    world.settle();
    let board = world.switch.board(a).unwrap();
    assert!(!board.warnings().notices().has(Warning::OwnAddress));
    world.frame(&beacon(NODE_A, 0x1234));
    assert_eq!(unsaid(&mut world, a).len(), 1);
}

#[test]
fn frames_that_the_way_out_cannot_take_are_not_counted_as_sent() {
    let (mut world, a) = node(formats()[1]);
    world.ports.lost = true;
    let (sent, failed) = (Counter::SendRaw, Counter::SendSkbuffAllocFailed);
    let before = (world.count(a, sent), world.count(a, failed));
    world.now = second(400);
    world.settle();
    assert_eq!(world.count(a, sent), before.0);
    assert!(world.count(a, failed) > before.1);
}
