//! A window that reaches a piece of its message, or nothing: its process is told what is wanted, once, and the pull goes
//! on when the window has moved. Nothing else is ever read.

mod world;

use core::time::Duration;

use mx_board::*;
use mx_ring::{
    Command, CommandBody, Destination, Event, EventBody, PullDone, PullOrder, PullStatus, Reach,
    Wanted, Window,
};
use mx_wire::{Beacon, Ends, Format, MacAddress, Packet, Pull};
use world::*;

const MESSAGE: u32 = 1 << 20;
const PIECE: u32 = 100_000;
/// Within this time a window that has moved is looked at.
const LONGEST_WAIT: Duration = Duration::from_millis(103);

fn window(reach: Reach, slot: u16, offset: u32) -> Window {
    Window {
        region: region(slot),
        seqnum: 23,
        reach,
        offset,
        length: MESSAGE,
    }
}

/// Pulls a whole message of that length from window 9 of the first board into region 5.
fn pull(length: u32) -> Command {
    Command {
        to: Destination {
            peer: 1,
            endpoint: 0,
            session: 0xa,
        },
        body: CommandBody::Pull(PullOrder {
            region: region(5),
            offset: 0,
            length,
            window: 9,
            window_seqnum: 23,
            window_offset: 0,
            cookie: 77,
            backend: 0,
        }),
    }
}

/// The window reaches nothing of its message.
fn show_nothing(world: &mut World, key: EndpointKey) {
    let window = window(Reach::Nothing, 0, 0);
    world.ports.windows.insert((key, 9), window);
}

/// Shows the piece of `bytes` from `start` on, in a region of its own; the one before is gone.
fn show(world: &mut World, key: EndpointKey, slot: u16, bytes: &[u8], start: u32) {
    let end = (start + PIECE).min(MESSAGE);
    let mut piece = bytes[start as usize..end as usize].to_vec();
    piece.resize(PIECE as usize, 0xee);
    world.ports.regions.remove(&(key, region(slot - 1)));
    world.ports.regions.insert((key, region(slot)), piece);
    let window = window(Reach::Piece, slot, start);
    world.ports.windows.insert((key, 9), window);
}

/// What is wanted, if its process is told so.
fn wanted(world: &mut World, key: EndpointKey) -> Option<u32> {
    match world.ports.take(key)[..] {
        [] => None,
        [
            (
                Event {
                    body:
                        EventBody::Wanted(Wanted {
                            window: 9,
                            window_seqnum: 23,
                            offset,
                        }),
                    ..
                },
                _,
            ),
        ] => Some(offset),
        ref other => panic!("{other:?}"),
    }
}

/// Time goes on, in steps that no timer is longer than.
fn pass(world: &mut World, time: Duration) {
    let end = world.now + time;
    while world.now < end {
        world.now = world.now + Duration::from_micros(100);
        world.settle();
    }
}

#[test]
fn a_local_pull_takes_a_message_piece_by_piece() {
    let mut world = World::new(Format::native(9000).unwrap());
    let a = key(world.board(NODE_A, "a"), 0);
    let b = key(world.board(NODE_B, "b"), 0);
    world.open(a, 0xa);
    world.open(b, 0xb);
    world.settle();
    let bytes = pattern(MESSAGE as usize);
    world.register(b, 5, 0, vec![0; MESSAGE as usize]);
    show_nothing(&mut world, a);
    world.command(b, pull(MESSAGE)).unwrap();
    let mut slot = 100;
    let mut last = None;
    loop {
        world.settle();
        let ended = world.ports.take(b);
        if let [
            (
                Event {
                    body:
                        EventBody::PullDone(PullDone {
                            status,
                            transferred,
                            ..
                        }),
                    ..
                },
                _,
            ),
        ] = ended[..]
        {
            assert_eq!((status, transferred), (PullStatus::Done, MESSAGE));
            break;
        }
        let start = wanted(&mut world, a).expect("told what is wanted");
        assert!(last < Some(start), "it goes on");
        last = Some(start);
        pass(&mut world, Duration::from_millis(20));
        assert_eq!(wanted(&mut world, a), None, "told once");
        slot += 1;
        show(&mut world, a, slot, &bytes, start);
        pass(&mut world, LONGEST_WAIT);
    }
    assert!(slot > 110);
    assert!(world.ports.regions[&(b, region(5))] == bytes);
}

#[test]
fn a_local_pull_of_the_longest_message_copies_each_byte_once() {
    let mut world = World::new(Format::native(9000).unwrap());
    let a = key(world.board(NODE_A, "a"), 0);
    let b = key(world.board(NODE_B, "b"), 0);
    world.open(a, 0xa);
    world.open(b, 0xb);
    world.settle();
    world.ports.long.insert((a, region(4)), u32::MAX);
    world.ports.long.insert((b, region(5)), u32::MAX);
    let whole = Window {
        length: u32::MAX,
        ..window(Reach::Whole, 4, 0)
    };
    world.ports.windows.insert((a, 9), whole);
    world.command(b, pull(u32::MAX)).unwrap();
    world.settle();
    let mut next = 0;
    for (from, to) in &world.ports.noted {
        assert_eq!((from.offset, to.offset), (next, next));
        assert_eq!((from.length, from.region), (to.length, region(4)));
        next += from.length;
    }
    assert_eq!(next, u32::MAX);
    let [
        (
            Event {
                body: EventBody::PullDone(PullDone { transferred, .. }),
                ..
            },
            _,
        ),
    ] = world.ports.take(b)[..]
    else {
        panic!("it has not ended")
    };
    assert_eq!(transferred, u32::MAX);
}

/// A replier whose board knows node B as its peer 1, which knows it as 0.
fn replier() -> (World, EndpointKey, Format) {
    let format = Format::native(9000).unwrap();
    let mut world = World::new(format);
    let a = key(world.board(NODE_A, "a"), 0);
    world.open(a, 0xa);
    let serial = Beacon {
        board: NODE_B,
        serial: 1,
    };
    let to = MacAddress::BROADCAST;
    world.receive(&format, NODE_B, to, Some(0), Packet::Raw, &serial.payload());
    world.settle();
    world.ports.sent.clear();
    world.ports.events.clear();
    (world, a, format)
}

/// A pull of that handle asks for the block from a frame on.
fn block(world: &mut World, format: &Format, handle: u32, frame_index: u32) {
    let pull = Packet::Pull(Pull {
        ends: Ends {
            destination: 0,
            source: 0,
        },
        session: 0xa,
        total: MESSAGE,
        window: 9,
        window_seqnum: 23,
        window_offset: 0,
        handle,
        magic: 2,
        first_frame_offset: 0,
        block_length: 32 * 8968,
        frame_index,
    });
    world.receive(format, NODE_B, NODE_A, Some(1), pull, &[]);
}

/// The replies that went out, checked against the message; the message offset after the last one.
fn replies(world: &mut World, bytes: &[u8]) -> Option<u32> {
    let mut end = None;
    let sent: Vec<_> = world.ports.sent.drain(..).collect();
    for frame in sent {
        let format = Format::native(9000).unwrap();
        let frame = mx_wire::Frame::parse(&format, &frame).unwrap();
        let Packet::PullReply(reply) = frame.packet else {
            continue;
        };
        let from = reply.message_offset as usize;
        let length = usize::from(reply.length);
        assert!(frame.payload[..length] == bytes[from..from + length]);
        end = Some((from + length) as u32);
    }
    end
}

#[test]
fn a_block_is_answered_as_its_window_moves_and_never_from_elsewhere() {
    let (mut world, a, format) = replier();
    let bytes = pattern(MESSAGE as usize);
    show_nothing(&mut world, a);
    block(&mut world, &format, 1, 0);
    // The puller asks again meanwhile.
    block(&mut world, &format, 1, 0);
    let mut slot = 100;
    let mut end = 0;
    while end < 32 * 8968 {
        pass(&mut world, Duration::from_millis(1));
        assert_eq!(replies(&mut world, &bytes), None);
        assert_eq!(wanted(&mut world, a), Some(end));
        pass(&mut world, Duration::from_millis(30));
        assert_eq!(wanted(&mut world, a), None, "told once");
        slot += 1;
        show(&mut world, a, slot, &bytes, end);
        world.ports.no_room = true;
        pass(&mut world, LONGEST_WAIT);
        let reached = replies(&mut world, &bytes).expect("replies");
        assert!(reached > end && reached <= end + PIECE);
        end = reached;
        // What found no room in the event queue is told later.
        world.ports.no_room = false;
        pass(&mut world, LONGEST_WAIT);
    }
    assert_eq!(wanted(&mut world, a), None);
    assert_eq!(slot, 103);
}

/// A request that the network repeats late is a pull that ended long ago, while the next one of the message goes on.
#[test]
fn pulls_of_one_message_do_not_take_its_piece_away_from_each_other() {
    let (mut world, a, format) = replier();
    let bytes = pattern(MESSAGE as usize);
    show_nothing(&mut world, a);
    block(&mut world, &format, 1, 0);
    let (mut slot, mut replies) = (100, 0);
    for step in 0..100_000 {
        if step == 5 {
            block(&mut world, &format, 2, 64);
        }
        world.now = world.now + Duration::from_micros(10);
        world.settle();
        replies += world.ports.sent.drain(..).count();
        // The process follows at once.
        for (told, _) in world.ports.take(a) {
            if let EventBody::Wanted(wanted) = told.body {
                slot += 1;
                show(&mut world, a, slot, &bytes, wanted.offset);
            }
        }
    }
    assert!(replies >= 2 * 32, "{replies} replies");
}

#[test]
fn a_piece_whose_region_went_away_is_wanted_again() {
    let (mut world, a, format) = replier();
    let bytes = pattern(MESSAGE as usize);
    show(&mut world, a, 101, &bytes, 0);
    block(&mut world, &format, 1, 0);
    world.work();
    let end = replies(&mut world, &bytes).expect("a turn's replies");
    assert!(end < PIECE);
    world.ports.regions.clear();
    world.switch.deregister(a, region(101));
    pass(&mut world, Duration::from_millis(1));
    assert_eq!(wanted(&mut world, a), Some(end));
}

#[test]
fn a_window_that_is_bound_anew_ends_what_waited_for_it() {
    let (mut world, a, format) = replier();
    let bytes = pattern(MESSAGE as usize);
    show_nothing(&mut world, a);
    block(&mut world, &format, 1, 0);
    pass(&mut world, Duration::from_millis(1));
    assert_eq!(wanted(&mut world, a), Some(0));
    world.register(a, 1, 9, bytes.clone());
    if let Some(window) = world.ports.windows.get_mut(&(a, 9)) {
        window.seqnum = 24;
    }
    pass(&mut world, Duration::from_secs(1));
    assert_eq!(replies(&mut world, &bytes), None);
    assert_eq!(wanted(&mut world, a), None);
}

/// A process that never shows what is pulled from it, and another that pulls it a thousand times.
#[test]
fn pulls_that_wait_for_ever_are_looked_at_ten_times_a_second() {
    const PULLS: u32 = 1000;
    let mut world = World::new(Format::native(9000).unwrap());
    let a = key(world.board(NODE_A, "a"), 0);
    let b = key(world.board(NODE_B, "b"), 0);
    world.open(a, 0xa);
    world.switch.open_endpoint(b, 0xb, 1024).unwrap();
    world.settle();
    world.register(b, 5, 0, vec![0; 4096]);
    show_nothing(&mut world, a);
    for _ in 0..PULLS {
        world.command(b, pull(4096)).unwrap();
        world.settle();
        world.now = world.now + Duration::from_micros(3);
    }
    pass(&mut world, Duration::from_millis(500));
    world.ports.looks = 0;
    pass(&mut world, Duration::from_secs(1));
    let looks = world.ports.looks;
    assert!((1..=10 * PULLS as usize).contains(&looks), "{looks} looks");
}
