//! What a board refuses from the wire, in which order it checks (wire.md §5), and what it answers.

mod world;

use mx_board::EndpointKey;
use mx_ring::{CommandBody, Counter, Event, EventBody, Place, PullOrder};
use mx_wire::*;
use world::*;

const STRANGER: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);

/// A board at NODE_A with endpoint 0 of session 0xa; NODE_B is its peer 1.
fn node() -> (World, EndpointKey) {
    let mut world = World::new(format());
    let a = world.board(NODE_A, "a:0");
    let a = key(a, 0);
    world.open(a, 0xa);
    beacon(&mut world, NODE_B, 1);
    world.settle();
    world.ports.sent.clear();
    (world, a)
}

fn format() -> Format {
    formats()[1]
}

fn beacon(world: &mut World, board: MacAddress, serial: u32) {
    let payload = Beacon { board, serial }.payload();
    world.receive(
        &format(),
        board,
        MacAddress::BROADCAST,
        Some(0),
        Packet::Raw,
        &payload,
    );
}

fn ends(destination: u8) -> Ends {
    Ends {
        destination,
        source: 7,
    }
}

fn tiny(endpoint: u8, session: u32) -> Packet {
    let content = Content::Tiny(Eager {
        match_info: 3,
        length: 2,
    });
    message(endpoint, session, 5, content)
}

fn message(endpoint: u8, session: u32, seq: u16, content: Content) -> Packet {
    Packet::Message {
        ends: ends(endpoint),
        session,
        message: Message {
            seq,
            ack: 1,
            content,
        },
    }
}

fn pull(endpoint: u8, session: u32, window: u32, window_seqnum: u8, block_length: u32) -> Packet {
    Packet::Pull(Pull {
        ends: ends(endpoint),
        session,
        total: block_length,
        window,
        window_seqnum,
        window_offset: 0,
        handle: 0x1234,
        magic: Pull::MAGIC ^ 7,
        first_frame_offset: 0,
        block_length,
        frame_index: 0,
    })
}

fn from_b(world: &mut World, index: Option<u16>, packet: Packet, payload: &[u8]) {
    world.receive(&format(), NODE_B, NODE_A, index, packet, payload);
    world.settle();
}

/// What the board answers to a packet of NODE_B, and which counter it raises.
fn answer(world: &mut World, a: EndpointKey, packet: Packet, counter: Counter) -> Vec<Packet> {
    let before = world.count(a.board, counter);
    let payload: &[u8] = match packet.content() {
        Some(Content::Tiny(_)) => b"hi",
        _ => b"",
    };
    from_b(world, Some(1), packet, payload);
    assert_eq!(world.count(a.board, counter), before + 1, "{counter:?}");
    world.ports.frames(&format())
}

#[test]
fn a_message_for_an_endpoint_that_cannot_take_it_is_answered_by_a_nack_with_the_reason() {
    let (mut world, a) = node();
    let nack = |source, code, seq| {
        vec![Packet::NackLib {
            ends: Ends {
                destination: 7,
                source,
            },
            nack: NackLib { code, seq },
        }]
    };
    use Counter::{DropBadEndpoint, DropBadSession};
    assert_eq!(
        answer(&mut world, a, tiny(40, 0xa), DropBadEndpoint),
        nack(40, NackCode::BadEndpoint, 5)
    );
    assert_eq!(
        answer(&mut world, a, tiny(3, 0xa), DropBadEndpoint),
        nack(3, NackCode::EndpointClosed, 5)
    );
    assert_eq!(
        answer(&mut world, a, tiny(0, 0xb), DropBadSession),
        nack(0, NackCode::BadSession, 5)
    );
    let notify = Content::Notify(Notify {
        transferred: 0,
        window: 0,
        window_seqnum: 0,
    });
    let notify = message(0, 0xb, 6, notify);
    assert_eq!(
        answer(&mut world, a, notify, DropBadSession),
        nack(0, NackCode::BadSession, 6)
    );
    let connect = Packet::Connect {
        ends: ends(3),
        sender_index: 4,
        session: 1,
        connect: Connect::Request(ConnectRequest {
            key: 0,
            next_expected: 1,
            connect_seqnum: 0,
        }),
    };
    assert_eq!(
        answer(&mut world, a, connect, DropBadEndpoint),
        nack(3, NackCode::EndpointClosed, 0)
    );
    assert!(world.ports.take(a).is_empty());
}

#[test]
fn an_acknowledgement_of_a_wrong_session_is_dropped_in_silence() {
    let (mut world, a) = node();
    let ack = Packet::LibAck {
        ends: ends(0),
        session: 0xb,
        ack: LibAck {
            ack: 1,
            ack_number: 1,
        },
    };
    assert_eq!(answer(&mut world, a, ack, Counter::DropBadSession), []);
}

#[test]
fn a_pull_that_cannot_be_served_is_answered_by_its_own_nack_or_dropped() {
    let (mut world, a) = node();
    world.register(a, 1, 2, pattern(10_000));
    let nack = |code| {
        vec![Packet::NackMcp(NackMcp {
            source: 7,
            code,
            handle: 0x1234,
            magic: Pull::MAGIC ^ 7,
        })]
    };
    use Counter::*;
    assert_eq!(
        answer(&mut world, a, pull(40, 0xa, 2, 23, 9), DropBadEndpoint),
        nack(NackCode::BadEndpoint)
    );
    assert_eq!(
        answer(&mut world, a, pull(3, 0xa, 2, 23, 9), DropBadEndpoint),
        nack(NackCode::EndpointClosed)
    );
    assert_eq!(
        answer(&mut world, a, pull(0, 0xb, 2, 23, 9), DropBadSession),
        nack(NackCode::BadSession)
    );
    assert_eq!(
        answer(&mut world, a, pull(0, 0xa, 4, 23, 9), DropPullBadRegion),
        nack(NackCode::BadWindow)
    );
    assert_eq!(
        answer(&mut world, a, pull(0, 0xa, 258, 23, 9), DropPullBadRegion),
        nack(NackCode::BadWindow)
    );
    // An earlier use of the window.
    assert_eq!(
        answer(&mut world, a, pull(0, 0xa, 2, 22, 9), DropPullBadRegion),
        nack(NackCode::BadWindow)
    );
    let beyond = pull(0, 0xa, 2, 23, 10_001);
    assert_eq!(answer(&mut world, a, beyond, DropPullBadOffsetOrLength), []);
    let too_many = pull(0, 0xa, 2, 23, 33 * 8968);
    assert_eq!(
        answer(&mut world, a, too_many, DropPullBadNumberOfReplies),
        []
    );
    from_b(&mut world, Some(1), pull(0, 0xa, 2, 23, 10_000), &[]);
    assert_eq!(world.ports.sent.len(), 2, "a good one is served");
}

#[test]
fn a_window_that_is_unbound_meanwhile_is_not_read_any_more() {
    let (mut world, a) = node();
    world.register(a, 1, 2, pattern(200_000));
    world.receive(
        &format(),
        NODE_B,
        NODE_A,
        Some(1),
        pull(0, 0xa, 2, 23, 200_000),
        &[],
    );
    world.work();
    let sent = world.ports.sent.len();
    assert!((1..200_000 / 8968).contains(&sent), "{sent} replies");
    world.ports.windows.clear();
    world.settle();
    assert_eq!(world.ports.sent.len(), sent);
}

#[test]
fn a_peer_index_must_name_the_board_that_the_frame_came_from() {
    let (mut world, a) = node();
    beacon(&mut world, STRANGER, 1);
    world.settle();
    world.ports.sent.clear();
    for (source, index) in [
        (STRANGER, Some(1)),
        (NODE_B, Some(2)),
        (NODE_B, Some(0)),
        (NODE_B, Some(999)),
        (NODE_B, None),
    ] {
        let before = world.count(a.board, Counter::DropBadPeerIndex);
        world.receive(&format(), source, NODE_A, index, tiny(0, 0xa), b"hi");
        assert_eq!(world.count(a.board, Counter::DropBadPeerIndex), before + 1);
    }
    assert!(world.ports.take(a).is_empty() && world.ports.sent.is_empty());
    from_b(&mut world, Some(1), tiny(0, 0xa), b"hi");
    assert_eq!(world.ports.take(a).len(), 1);
}

#[test]
fn an_unknown_address_is_dropped_and_a_nack_may_come_without_an_index() {
    let (mut world, a) = node();
    let query = Packet::HostQuery(HostQuery {
        sender_index: 3,
        magic: HostQuery::FIRST_MAGIC,
    });
    world.receive(&format(), STRANGER, NODE_A, None, query, &[]);
    assert_eq!(world.count(a.board, Counter::DropBadPeerAddr), 1);
    let nack = Packet::NackLib {
        ends: ends(0),
        nack: NackLib {
            code: NackCode::EndpointClosed,
            seq: 4,
        },
    };
    world.receive(&format(), STRANGER, NODE_A, None, nack, &[]);
    assert_eq!(world.count(a.board, Counter::DropBadPeerAddr), 2);
    from_b(&mut world, None, nack, &[]);
    assert!(matches!(
        world.ports.take(a)[..],
        [(
            Event {
                body: EventBody::Nack(NackLib {
                    seq: 4,
                    code: NackCode::EndpointClosed,
                }),
                ..
            },
            _
        )]
    ));
}

#[test]
fn an_address_of_this_backend_does_not_speak_from_the_wire() {
    let (mut world, a) = node();
    let neighbour = MacAddress([2, 0, 0, 0, 0, 77]);
    let b = world.board(neighbour, "b:0");
    world.settle();
    world.ports.sent.clear();
    let index = world
        .switch
        .board(a.board)
        .unwrap()
        .peers()
        .index_of(neighbour);
    world.receive(&format(), neighbour, NODE_A, index, tiny(0, 0xa), b"hi");
    assert_eq!(world.count(a.board, Counter::DropBadPeerIndex), 1);
    let query = Packet::HostQuery(HostQuery {
        sender_index: 9,
        magic: HostQuery::FIRST_MAGIC,
    });
    world.receive(&format(), neighbour, NODE_A, None, query, &[]);
    assert_eq!(world.count(a.board, Counter::DropBadPeerAddr), 1);
    beacon(&mut world, neighbour, 5);
    assert!(world.ports.take(a).is_empty() && world.ports.sent.is_empty());
    assert_eq!(world.switch.board(b).unwrap().peers().count(), 2);
}

#[test]
fn a_flood_of_wrong_sessions_is_answered_a_limited_number_of_times() {
    let (mut world, a) = node();
    for guess in 0..10_000 {
        from_b(&mut world, Some(1), tiny(0, 0x1000 + guess), b"hi");
    }
    assert_eq!(world.count(a.board, Counter::DropBadSession), 10_000);
    assert_eq!(world.ports.sent.len(), 64);
}

#[test]
fn what_cannot_be_parsed_is_counted_by_cause_at_the_board_it_was_meant_for() {
    let (mut world, a) = node();
    let mut frame = NODE_A.0.to_vec();
    frame.extend(NODE_B.0);
    frame.extend([0x86, 0xdf, 0, 1]);
    let mut feed = |rest: &[u8], counter: Counter| {
        let mut bytes = frame.clone();
        bytes.extend(rest);
        let before = world.count(a.board, counter);
        world.frame(&bytes);
        assert_eq!(world.count(a.board, counter), before + 1, "{counter:?}");
    };
    feed(&[0x25, 0, 0], Counter::DropBadDataLengthForHeaders);
    feed(&[0x99; 50], Counter::DropUnknownPacketType);
    feed(&[0x20; 50], Counter::DropInvalidPacketType);
    let mut long_tiny = [0; 44];
    long_tiny[0] = 0x25;
    long_tiny[5] = 33;
    feed(&long_tiny, Counter::DropBadDataLength);
    long_tiny[5] = 32;
    feed(&long_tiny, Counter::DropBadSkbuffLength);
}

#[test]
fn a_beacon_makes_a_peer_that_is_asked_for_its_name_until_it_has_one() {
    let mut world = World::new(format());
    let a = world.board(NODE_A, "a:0");
    world.settle();
    world.ports.sent.clear();
    beacon(&mut world, NODE_B, 7);
    let query = Packet::HostQuery(HostQuery {
        sender_index: 1,
        magic: HostQuery::FIRST_MAGIC,
    });
    assert_eq!(world.ports.frames(&format()), [query]);
    let mut asked = Vec::new();
    for tenths in 1..=200 {
        world.now = world.now + core::time::Duration::from_millis(100);
        world.settle();
        if world.ports.frames(&format()).contains(&query) {
            asked.push(tenths);
        }
    }
    // Twice as long each time, at last every 5 s.
    assert_eq!(asked, [1, 3, 7, 15, 31, 63, 113, 163]);
    let reply = |magic| {
        Packet::HostReply(HostReply {
            sender_index: 6,
            magic,
        })
    };
    from_b(&mut world, None, reply(1), b"b:0");
    assert_eq!(world.count(a, Counter::DropHostReplyWithBadMagic), 1);
    from_b(&mut world, None, reply(HostQuery::FIRST_MAGIC), b"b:0");
    let peers = world.switch.board(a).unwrap().peers();
    assert_eq!(peers.get(1).unwrap().name().as_bytes(), b"b:0");
    assert!(world.ports.changed.contains(&(a, 1)));
    world.now = world.now + core::time::Duration::from_secs(30);
    world.settle();
    assert!(!world.ports.frames(&format()).contains(&query));
}

#[test]
fn a_beacon_that_names_another_than_its_sender_makes_no_peer() {
    let (mut world, a) = node();
    let payload = Beacon {
        board: STRANGER,
        serial: 1,
    }
    .payload();
    world.receive(
        &format(),
        NODE_B,
        MacAddress::BROADCAST,
        Some(0),
        Packet::Raw,
        &payload,
    );
    assert_eq!(
        world
            .switch
            .board(a.board)
            .unwrap()
            .peers()
            .index_of(STRANGER),
        None
    );
}

/// Starts a pull of endpoint 0 from NODE_B; says under which handle.
fn start_pull(world: &mut World, a: EndpointKey) -> u32 {
    world.register(a, 5, 0, vec![0; 9000]);
    let command = mx_ring::Command {
        to: mx_ring::Destination {
            peer: 1,
            endpoint: 2,
            session: 0xb,
        },
        body: CommandBody::Pull(PullOrder {
            region: region(5),
            offset: 0,
            length: 9000,
            window: 1,
            window_seqnum: 23,
            window_offset: 0,
            cookie: 1,
            backend: 0,
        }),
    };
    world.command(a, command).unwrap();
    world.settle();
    match world.ports.frames(&format())[..] {
        [Packet::Pull(pull)] => pull.handle,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn a_pull_reply_counts_only_from_the_peer_that_was_asked_and_under_the_right_handle() {
    let (mut world, a) = node();
    beacon(&mut world, STRANGER, 1);
    world.settle();
    world.ports.sent.clear();
    let handle = start_pull(&mut world, a);
    let reply = |handle, magic| {
        Packet::PullReply(PullReply {
            frame_seqnum: 0,
            length: 8968,
            message_offset: 0,
            handle,
            magic,
        })
    };
    let bytes = pattern(8968);
    let mut feed = |source, packet, counter| {
        let before = world.count(a.board, counter);
        world.receive(&format(), source, NODE_A, Some(0), packet, &bytes);
        assert_eq!(world.count(a.board, counter), before + 1, "{counter:?}");
        assert_eq!(world.ports.copied, 0);
    };
    use Counter::*;
    feed(
        STRANGER,
        reply(handle, Pull::MAGIC),
        DropPullReplyBadWireHandle,
    );
    feed(
        NODE_B,
        reply(handle ^ 1, Pull::MAGIC),
        DropPullReplyBadWireHandle,
    );
    feed(
        NODE_B,
        reply(handle | 9 << 22, Pull::MAGIC),
        DropPullReplyBadWireHandle,
    );
    feed(
        NODE_B,
        reply(handle, Pull::MAGIC ^ 9),
        DropPullReplyBadEndpointInMagic,
    );
    feed(NODE_B, reply(handle, 0), DropPullReplyBadEndpointInMagic);
    world.receive(
        &format(),
        NODE_B,
        NODE_A,
        Some(0),
        reply(handle, Pull::MAGIC),
        &bytes,
    );
    assert_eq!(world.ports.copied, 8968);
}

#[test]
fn the_handles_of_two_lives_of_an_endpoint_differ() {
    let (mut world, a) = node();
    let first = start_pull(&mut world, a);
    world.switch.close_endpoint(world.now, a).unwrap();
    world.open(a, 0xa);
    let second = start_pull(&mut world, a);
    assert_ne!(first, second);
    let nack = Packet::NackMcp(NackMcp {
        source: 0,
        code: NackCode::EndpointClosed,
        handle: first,
        magic: Pull::MAGIC,
    });
    assert_eq!(
        answer(&mut world, a, nack, Counter::DropNackMcpBadWireHandle),
        []
    );
    assert!(world.ports.take(a).is_empty());
}

#[test]
fn a_full_wire_loses_no_pull_and_no_reply() {
    let (mut world, a) = node();
    world.ports.room = Some(0);
    world.register(a, 5, 0, vec![0; 9000]);
    world.register(a, 1, 2, pattern(80_000));
    world.receive(
        &format(),
        NODE_B,
        NODE_A,
        Some(1),
        pull(0, 0xa, 2, 23, 80_000),
        &[],
    );
    let tiny = mx_ring::Command {
        to: mx_ring::Destination {
            peer: 1,
            endpoint: 2,
            session: 0xb,
        },
        body: CommandBody::Message(
            Message {
                seq: 1,
                ack: 1,
                content: Content::Tiny(Eager {
                    match_info: 0,
                    length: 0,
                }),
            },
            Place::Inline([0; 32]),
        ),
    };
    assert_eq!(world.command(a, tiny), Err(mx_board::CommandError::Full));
    assert_eq!(world.work(), mx_board::Progress::Blocked);
    for _ in 0..20 {
        world.ports.room = Some(1);
        world.settle();
    }
    let replies = world.ports.frames(&format());
    assert_eq!(replies.len(), 9);
    let offsets: Vec<u32> = replies
        .iter()
        .map(|packet| match packet {
            Packet::PullReply(reply) => reply.message_offset,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(offsets, (0..9).map(|i| i * 8968).collect::<Vec<_>>());
}
