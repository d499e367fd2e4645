//! Boards of one backend reach each other without the wire: same events, same refusals, one copy.

mod world;

use mx_board::CommandError;
use mx_ring::{
    Command, CommandBody, Counter, Destination, Event, EventBody, Place, PullDone, PullOrder,
    PullStatus,
};
use mx_wire::{
    Connect, ConnectRequest, Content, Eager, MacAddress, Medium, Message, NackCode, NackLib,
};
use world::*;

/// Two boards with endpoint 0 of sessions 0xa and 0xb; each is the other's peer 1 or 0.
fn neighbours() -> (World, mx_board::EndpointKey, mx_board::EndpointKey) {
    let mut world = World::new(formats()[1]);
    let a = world.board(NODE_A, "a:0");
    let b = world.board(NODE_B, "b:0");
    let (a, b) = (key(a, 0), key(b, 0));
    world.open(a, 0xa);
    world.open(b, 0xb);
    world.settle();
    world.ports.sent.clear();
    (world, a, b)
}

fn to(session: u32) -> Destination {
    Destination {
        peer: 1,
        endpoint: 0,
        session,
    }
}

fn tiny(session: u32, seq: u16) -> Command {
    Command {
        to: to(session),
        body: CommandBody::Message(
            Message {
                seq,
                ack: 1,
                content: Content::Tiny(Eager {
                    match_info: 7,
                    length: 5,
                }),
            },
            Place::Inline(*b"hello\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        ),
    }
}

/// The end of a pull, which is all that was told.
fn ended(events: &[(Event, Vec<u8>)]) -> PullDone {
    match events {
        [
            (
                Event {
                    body: EventBody::PullDone(done),
                    ..
                },
                _,
            ),
        ] => *done,
        other => panic!("{other:?}"),
    }
}

#[test]
fn local_boards_know_each_other_by_name_from_the_start() {
    let (world, a, b) = neighbours();
    let peers = world.switch.board(a.board).unwrap().peers();
    assert_eq!(peers.get(0).unwrap().local(), Some(a.board));
    assert_eq!(peers.get(1).unwrap().local(), Some(b.board));
    assert_eq!(peers.get(1).unwrap().name().as_bytes(), b"b:0");
    let peers = world.switch.board(b.board).unwrap().peers();
    assert_eq!(peers.index_of(NODE_A), Some(1));
}

#[test]
fn a_message_arrives_in_order_without_a_frame_and_says_that_it_is_local() {
    let (mut world, a, b) = neighbours();
    world.command(a, tiny(0xb, 1)).unwrap();
    world
        .command(
            a,
            Command {
                to: to(0xb),
                body: CommandBody::Message(
                    Message {
                        seq: 2,
                        ack: 1,
                        content: Content::Medium(Medium {
                            match_info: 8,
                            total: 10_000,
                            length: 8192,
                            fragment: 0,
                        }),
                    },
                    Place::At(16),
                ),
            },
        )
        .unwrap();
    assert!(world.ports.sent.is_empty());
    let events = world.ports.take(b);
    let Event {
        from,
        body: EventBody::Message(first, Place::Inline(data)),
    } = events[0].0
    else {
        panic!("{events:?}")
    };
    assert!(from.local);
    assert_eq!((from.peer, from.endpoint, first.seq), (1, 0, 1));
    assert_eq!(&data[..5], b"hello");
    let second = events[1].0.message().expect("a message");
    assert!(matches!(second.content, Content::Medium(_)) && second.seq == 2);
    assert_eq!(events[1].1, vec![0xa5; 8192]);
    assert_eq!(world.count(a.board, Counter::SharedTiny), 1);
    assert_eq!(world.count(a.board, Counter::SharedMediumSqFrag), 1);
    assert_eq!(world.count(a.board, Counter::SendTiny), 0);
    assert_eq!(world.count(b.board, Counter::RecvTiny), 0);
}

#[test]
fn a_connect_carries_the_session_that_the_board_knows() {
    let (mut world, a, b) = neighbours();
    world
        .command(
            a,
            Command {
                to: Destination {
                    peer: 1,
                    endpoint: 0,
                    session: 0,
                },
                body: CommandBody::Connect(Connect::Request(ConnectRequest {
                    key: 9,
                    next_expected: 1,
                    connect_seqnum: 3,
                })),
            },
        )
        .unwrap();
    let events = world.ports.take(b);
    assert!(matches!(
        events[0].0.body,
        EventBody::Connect {
            session: 0xa,
            connect: Connect::Request(ConnectRequest {
                key: 9,
                connect_seqnum: 3,
                ..
            }),
        }
    ));
}

#[test]
fn refusals_are_the_wires_refusals() {
    let (mut world, a, b) = neighbours();
    let nack = |world: &mut World, command| {
        world.command(a, command).unwrap();
        match world.ports.take(a)[..] {
            [
                (
                    Event {
                        from,
                        body: EventBody::Nack(NackLib { code, seq }),
                    },
                    _,
                ),
            ] => {
                assert!(from.local);
                (seq, code)
            }
            ref other => panic!("{other:?}"),
        }
    };
    assert_eq!(nack(&mut world, tiny(0xbad, 4)), (4, NackCode::BadSession));
    let at = |endpoint| Command {
        to: Destination {
            peer: 1,
            endpoint,
            session: 0,
        },
        body: CommandBody::Connect(Connect::Request(ConnectRequest {
            key: 0,
            next_expected: 1,
            connect_seqnum: 0,
        })),
    };
    assert_eq!(nack(&mut world, at(7)), (0, NackCode::EndpointClosed));
    assert_eq!(nack(&mut world, at(40)), (0, NackCode::BadEndpoint));
    assert_eq!(world.count(b.board, Counter::DropBadSession), 1);
    assert_eq!(world.count(b.board, Counter::DropBadEndpoint), 2);
}

#[test]
fn a_full_event_queue_drops_as_on_the_wire() {
    let (mut world, a, b) = neighbours();
    world.ports.no_room = true;
    world.command(a, tiny(0xb, 1)).unwrap();
    world.ports.no_room = false;
    assert!(world.ports.take(b).is_empty());
    assert_eq!(world.count(b.board, Counter::UnexpectedEventQueueFull), 1);
}

fn pull(window: u8, length: u32, cookie: u32) -> Command {
    Command {
        to: to(0xa),
        body: CommandBody::Pull(PullOrder {
            region: region(5),
            offset: 0,
            length,
            window,
            window_seqnum: 23,
            window_offset: 0,
            cookie,
            backend: 0,
        }),
    }
}

#[test]
fn a_local_pull_is_one_copy_in_bounded_slices() {
    let (mut world, a, b) = neighbours();
    let bytes = pattern(1 << 20);
    world.register(a, 1, 9, bytes.clone());
    world.register(b, 5, 0, vec![0; 1 << 20]);
    world.command(b, pull(9, 1 << 20, 77)).unwrap();
    let mut turns = 0;
    let mut most = 0;
    while world.ports.events.is_empty() {
        let before = world.ports.copied;
        world.work();
        most = most.max(world.ports.copied - before);
        turns += 1;
        assert!(turns < 100);
    }
    // Two slices are a board's share of a turn.
    assert_eq!(most, 64 << 10);
    assert_eq!(world.ports.copied, 1 << 20);
    assert!(world.ports.sent.is_empty());
    assert_eq!(world.ports.regions[&(b, region(5))], bytes);
    let done = PullDone {
        cookie: 77,
        status: PullStatus::Done,
        transferred: 0x10_0000,
    };
    assert_eq!(ended(&world.ports.take(b)), done);
    assert_eq!(world.count(b.board, Counter::SharedPull), 1);
}

#[test]
fn a_local_pull_that_cannot_be_ends_with_the_reason_that_a_nack_would_bring() {
    let (mut world, a, b) = neighbours();
    world.register(a, 1, 9, vec![1; 1000]);
    world.register(b, 5, 0, vec![0; 1 << 20]);
    let status = |world: &mut World, command| {
        world.command(b, command).unwrap();
        world.settle();
        ended(&world.ports.take(b)).status
    };
    assert_eq!(status(&mut world, pull(9, 1000, 1)), PullStatus::Done);
    assert_eq!(
        status(&mut world, pull(8, 1000, 1)),
        NackCode::BadWindow.into()
    );
    assert_eq!(
        status(&mut world, pull(9, 1001, 1)),
        NackCode::BadWindow.into()
    );
    world.switch.close_endpoint(world.now, a).unwrap();
    assert_eq!(
        status(&mut world, pull(9, 1000, 1)),
        NackCode::EndpointClosed.into()
    );
    world.switch.open_endpoint(a, 0xaa, 64).unwrap();
    assert_eq!(
        status(&mut world, pull(9, 1000, 1)),
        NackCode::BadSession.into()
    );
    world.switch.remove_board(a.board, &mut world.ports);
    // Somewhere on the wire now, where nobody answers.
    world.command(b, pull(9, 1000, 2)).unwrap();
    world.settle();
    assert!(world.ports.take(b).is_empty());
    world
        .command(b, Command::to_board(CommandBody::AbortPull { cookie: 2 }))
        .unwrap();
    world.settle();
    assert_eq!(ended(&world.ports.take(b)).status, PullStatus::Aborted);
}

#[test]
fn the_name_of_a_board_that_comes_back_with_another_address_leads_to_it_alone() {
    let (mut world, a, b) = neighbours();
    let (a, b) = (a.board, b.board);
    world.switch.remove_board(b, &mut world.ports);
    let peers_of_a = |world: &World| {
        let board = world.switch.board(a).expect("board a");
        let named = |index: u16| {
            let peer = board.peers().get(index)?;
            (peer.name().as_bytes() == b"b:0").then(|| peer.mac())
        };
        (0..board.peers().count())
            .filter_map(named)
            .collect::<Vec<_>>()
    };
    assert_eq!(peers_of_a(&world), [NODE_B]);
    let anew = MacAddress([2, 0, 0, 0, 0, 0xc]);
    world.board(anew, "b:0");
    assert_eq!(peers_of_a(&world), [anew]);
}

#[test]
fn a_region_that_goes_ends_the_pull_into_it() {
    let (mut world, a, b) = neighbours();
    world.register(a, 1, 9, pattern(1 << 20));
    world.register(b, 5, 0, vec![0; 1 << 20]);
    world.command(b, pull(9, 1 << 20, 3)).unwrap();
    world.work();
    world.switch.deregister(b, region(5));
    world.ports.regions.remove(&(b, region(5)));
    world.settle();
    let done = ended(&world.ports.take(b));
    assert_eq!((done.cookie, done.status), (3, PullStatus::Aborted));
}

/// As the board of a guest that is saved to a disk, with its endpoints, and restored.
#[test]
fn a_pull_that_runs_when_its_board_goes_waits_for_it_and_is_whole_when_it_is_back() {
    let (mut world, a, b) = neighbours();
    let bytes = pattern(1 << 20);
    world.register(a, 1, 9, bytes.clone());
    world.register(b, 5, 0, vec![0; 1 << 20]);
    world.command(b, pull(9, 1 << 20, 3)).unwrap();
    world.work();
    let copied = world.ports.copied;
    assert!(copied > 0 && copied < 1 << 20, "it runs: {copied}");
    // While its endpoints are closed it is muted.
    world.switch.set_muted(world.now, a.board, true);
    world.settle();
    world.switch.close_endpoint(world.now, a).unwrap();
    world.settle();
    world.switch.remove_board(a.board, &mut world.ports);
    for _ in 0..5 {
        world.now = world.now + core::time::Duration::from_secs(1);
        world.settle();
        assert!(world.ports.take(b).is_empty());
    }
    let back = world.board(NODE_A, "a:0");
    world.open(key(back, 0), 0xa);
    world.register(key(back, 0), 1, 9, bytes.clone());
    for _ in 0..5 {
        world.now = world.now + core::time::Duration::from_secs(1);
        world.settle();
    }
    let done = ended(&world.ports.take(b));
    assert_eq!((done.status, done.transferred), (PullStatus::Done, 1 << 20));
    assert_eq!(world.ports.regions[&(b, region(5))], bytes);
}

/// Numbers of boards carry no generation: sessions tell the next owner of a number from the one before.
#[test]
fn a_pull_that_runs_when_its_board_goes_reads_nothing_of_the_board_that_gets_its_number() {
    let (mut world, a, b) = neighbours();
    let secret = vec![0xee; 1 << 20];
    world.register(a, 1, 9, pattern(1 << 20));
    world.register(b, 5, 0, vec![0; 1 << 20]);
    world.command(b, pull(9, 1 << 20, 3)).unwrap();
    world.work();
    let copied = world.ports.copied;
    assert!(copied > 0 && copied < 1 << 20, "it runs: {copied}");
    world.switch.remove_board(a.board, &mut world.ports);
    let next = world.board(MacAddress([0x52, 0x54, 0, 0, 0x0c, 3]), "c:0");
    assert_eq!(next, a.board, "the number is given again");
    // The same endpoint, window and use of it.
    world.open(key(next, 0), 0xc);
    world.register(key(next, 0), 1, 9, secret);
    for _ in 0..3 {
        world.now = world.now + core::time::Duration::from_secs(1);
        world.settle();
    }
    assert!(world.ports.take(b).is_empty(), "it waits for its board");
    assert_eq!(world.ports.copied, copied);
    let got = &world.ports.regions[&(b, region(5))];
    assert_eq!(got[..copied], pattern(copied)[..]);
    assert!(got[copied..].iter().all(|byte| *byte == 0));
}

#[test]
fn the_end_of_a_pull_waits_for_room_and_pulls_are_bounded_by_it() {
    let (mut world, a, b) = neighbours();
    world.register(a, 1, 9, vec![1; 10]);
    world.register(b, 5, 0, vec![0; 10]);
    world.ports.no_room = true;
    for cookie in 0..64 {
        world.command(b, pull(9, 10, cookie)).unwrap();
        world.settle();
    }
    assert_eq!(
        world.command(b, pull(9, 10, 64)),
        Err(CommandError::PullsFull)
    );
    world.settle();
    world.ports.no_room = false;
    world.now = world.switch.deadline().unwrap();
    world.settle();
    let mut cookies: Vec<u32> = world
        .ports
        .take(b)
        .iter()
        .map(|(event, _)| match event.body {
            EventBody::PullDone(PullDone {
                cookie,
                status: PullStatus::Done,
                ..
            }) => cookie,
            other => panic!("{other:?}"),
        })
        .collect();
    cookies.sort_unstable();
    assert_eq!(cookies, (0..64).collect::<Vec<_>>());
    world.command(b, pull(9, 10, 64)).unwrap();
}

#[test]
fn a_muted_board_drops_without_a_word() {
    let (mut world, a, b) = neighbours();
    world.switch.set_muted(world.now, b.board, true);
    world.command(a, tiny(0xbad, 1)).unwrap();
    world.command(a, tiny(0xb, 1)).unwrap();
    assert!(world.ports.take(a).is_empty());
    assert!(world.ports.take(b).is_empty());
    world.switch.set_muted(world.now, b.board, false);
    world.command(a, tiny(0xb, 1)).unwrap();
    assert_eq!(world.ports.take(b).len(), 1);
}

#[test]
fn a_pull_from_a_muted_neighbour_pauses_and_goes_on_when_it_is_unmuted() {
    let (mut world, a, b) = neighbours();
    let bytes = pattern(300_000);
    world.register(a, 1, 9, bytes.clone());
    world.register(b, 5, 0, vec![0; 300_000]);
    world.switch.set_muted(world.now, a.board, true);
    world.command(b, pull(9, 300_000, 77)).unwrap();
    for _ in 0..3 {
        world.now = world.now + core::time::Duration::from_secs(1);
        world.settle();
        assert!(world.ports.take(b).is_empty());
    }
    world.switch.set_muted(world.now, a.board, false);
    world.now = world.now + core::time::Duration::from_secs(1);
    world.settle();
    assert_eq!(ended(&world.ports.take(b)).status, PullStatus::Done);
    assert_eq!(world.ports.regions[&(b, region(5))], bytes);
    let frames = world.ports.frames(&formats()[1]);
    assert!(
        frames.iter().all(|packet| *packet == mx_wire::Packet::Raw),
        "only beacons went out: {frames:?}"
    );
}

#[test]
fn neighbours_hear_each_others_beacons_and_greet_a_new_one() {
    let (mut world, a, _) = neighbours();
    // Past the first burst, in which the two greeted each other.
    for _ in 0..60 {
        world.now = world.now + core::time::Duration::from_secs(1);
        world.settle();
    }
    world.ports.sent.clear();
    let heard = world.count(a.board, Counter::RecvRaw);
    world.board(mx_wire::MacAddress([2, 0, 0, 0, 0, 3]), "c:0");
    for _ in 0..30 {
        world.now = world.now + core::time::Duration::from_secs(1);
        world.settle();
    }
    // 8 beacons of each that it woke up; the new one starts its 8 anew when it hears them after its first.
    assert_eq!(world.ports.sent.len(), 8 + 8 + 9);
    assert_eq!(world.count(a.board, Counter::RecvRaw) - heard, 8 + 9);
}
