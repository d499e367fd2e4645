//! Nobody finds a session or a handle by trying.

mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use mx_board::EndpointKey;
use mx_ring::{
    Command, CommandBody, Destination, EventBody, Place, PullDone, PullOrder, PullStatus,
};
use mx_wire::{Content, Eager, MacAddress, Message, NackCode, Packet, Pull};
use world::*;

const SESSION: u32 = 0x0001_2345;
const REMOTE: MacAddress = MacAddress([0x52, 0x54, 0, 0, 0x0c, 3]);

fn to(session: u32) -> Destination {
    Destination {
        peer: 1,
        endpoint: 0,
        session,
    }
}

fn pull(session: u32) -> Command {
    Command {
        to: to(session),
        body: CommandBody::Pull(PullOrder {
            region: region(1),
            offset: 0,
            length: 1,
            window: 0,
            window_seqnum: 23,
            window_offset: 0,
            cookie: session,
            backend: 0,
        }),
    }
}

fn tiny(session: u32) -> Command {
    Command {
        to: to(session),
        body: CommandBody::Message(
            Message {
                seq: 1,
                ack: 1,
                content: Content::Tiny(Eager {
                    match_info: 7,
                    length: 0,
                }),
            },
            Place::Inline([0; 32]),
        ),
    }
}

/// Who guesses, and whose session it is.
fn neighbours() -> (World, EndpointKey, EndpointKey) {
    let mut world = World::new(formats()[1]);
    let attacker = key(world.board(NODE_A, "attacker:0"), 0);
    let victim = key(world.board(NODE_B, "victim:0"), 0);
    world.open(attacker, 7);
    world.open(victim, SESSION);
    world.register(attacker, 1, 1, vec![0; 4096]);
    world.register(victim, 1, 0, vec![1; 4096]);
    world.settle();
    world.ports.sent.clear();
    (world, attacker, victim)
}

/// The pulls of the attacker that have ended.
fn ends(world: &mut World, attacker: EndpointKey) -> Vec<PullDone> {
    let events = world.ports.take(attacker);
    let end = |(event, _): (mx_ring::Event, _)| match event.body {
        EventBody::PullDone(done) => Some(done),
        _ => None,
    };
    events.into_iter().filter_map(end).collect()
}

#[test]
fn sessions_are_tried_by_local_pulls_no_faster_than_nacks_are_given() {
    let (mut world, attacker, _) = neighbours();
    let mut session = 0;
    let mut refused = 0;
    for _ in 0..1000 {
        // As many as there are handles, also when those that are not answered are given up.
        while world.command(attacker, pull(session)).is_ok() {
            session += 1;
        }
        world.settle();
        for done in ends(&mut world, attacker) {
            assert_eq!(done.status, NackCode::BadSession.into());
            refused += 1;
        }
        world.now = world.now + Duration::from_millis(1);
    }
    assert!((64..=64 + 125).contains(&refused), "{refused} answers");
}

#[test]
fn a_pull_with_the_right_session_is_no_answer_to_the_wrong_ones_before_it() {
    let (mut world, attacker, _) = neighbours();
    let mut tried = 0;
    while tried < 100 {
        if world.command(attacker, pull(tried)).is_err() {
            let cookie = tried - 1;
            let body = CommandBody::AbortPull { cookie };
            let abort = Command { to: to(0), body };
            world.command(attacker, abort).unwrap();
        } else {
            tried += 1;
        }
        world.settle();
    }
    let before = ends(&mut world, attacker);
    assert!(before.iter().all(|done| done.status != PullStatus::Done));
    while world.command(attacker, pull(SESSION)).is_err() {
        let body = CommandBody::AbortPull { cookie: 99 };
        world
            .command(attacker, Command { to: to(0), body })
            .unwrap();
        world.settle();
    }
    world.settle();
    let now = ends(&mut world, attacker);
    assert!(now.iter().all(|done| done.cookie != SESSION), "{now:?}");
    // It is served as soon as the others are answered, and a neighbour of the guesser is not kept waiting at all.
    let honest = key(world.board(REMOTE, "honest:0"), 0);
    world.open(honest, 9);
    world.register(honest, 1, 1, vec![0; 4096]);
    let peers = world.switch.board(honest.board).unwrap().peers();
    let peer = peers.index_of(NODE_B).unwrap();
    let mut order = pull(SESSION);
    order.to.peer = peer;
    world.command(honest, order).unwrap();
    world.settle();
    assert_eq!(ends(&mut world, honest)[0].status, PullStatus::Done);
    let mut done = Vec::new();
    for _ in 0..2000 {
        world.now = world.now + Duration::from_millis(1);
        world.settle();
        done.extend(ends(&mut world, attacker));
    }
    let good = done.iter().find(|done| done.cookie == SESSION);
    assert_eq!(good.map(|done| done.status), Some(PullStatus::Done));
    assert_eq!(world.ports.regions[&(attacker, region(1))][0], 1);
}

#[test]
fn sessions_are_tried_by_local_messages_a_thousand_times_a_second_at_most() {
    let (mut world, attacker, victim) = neighbours();
    for session in 0..300 {
        world.command(attacker, tiny(session)).unwrap();
    }
    world.command(attacker, tiny(SESSION)).unwrap();
    assert_eq!(
        world.ports.take(victim).len(),
        0,
        "the right one among them"
    );
    world.now = world.now + Duration::from_millis(1);
    world.command(attacker, tiny(SESSION)).unwrap();
    assert_eq!(world.ports.take(victim).len(), 1);
}

#[test]
fn messages_from_the_wire_with_wrong_sessions_keep_nobody_from_speaking() {
    let (mut world, _, victim) = neighbours();
    let format = formats()[1];
    let beacon = mx_wire::Beacon {
        board: REMOTE,
        serial: 1,
    };
    world.receive(
        &format,
        REMOTE,
        MacAddress::BROADCAST,
        Some(0),
        Packet::Raw,
        &beacon.payload(),
    );
    let peers = world.switch.board(victim.board).unwrap().peers();
    let index = peers.index_of(REMOTE);
    let message = |session| Packet::Message {
        ends: mx_wire::Ends {
            destination: 0,
            source: 0,
        },
        session,
        message: *tiny(session).message().unwrap(),
    };
    for session in 0..1000 {
        world.receive(&format, REMOTE, NODE_B, index, message(session), &[]);
    }
    world.receive(&format, REMOTE, NODE_B, index, message(SESSION), &[]);
    assert_eq!(world.ports.take(victim).len(), 1);
}

/// The handles under which an endpoint pulls from the wire, each pull given up before the next.
fn handles(world: &mut World, from: EndpointKey, count: u32) -> Vec<u32> {
    let peers = world.switch.board(from.board).unwrap().peers();
    let peer = peers.index_of(REMOTE).unwrap();
    (0..count)
        .map(|cookie| {
            let mut order = pull(cookie);
            order.to.peer = peer;
            world.command(from, order).unwrap();
            world.settle();
            let asked = world.ports.frames(&formats()[1]);
            let handle = asked.iter().find_map(|packet| match packet {
                Packet::Pull(Pull { handle, .. }) => Some(*handle),
                _ => None,
            });
            let body = CommandBody::AbortPull { cookie };
            world.command(from, Command { to: to(0), body }).unwrap();
            world.settle();
            world.ports.take(from);
            handle.expect("a request")
        })
        .collect()
}

#[test]
fn handles_follow_neither_from_each_other_nor_from_what_beacons_say() {
    let serials_of = |seed| {
        let mut world = World::new(formats()[1]);
        let changed = mx_board::Settings {
            seed,
            ..settings(formats()[1])
        };
        world.switch = mx_board::Switch::new(changed);
        let board = world.board(NODE_A, "a:0");
        let beacon = mx_wire::Beacon {
            board: REMOTE,
            serial: 1,
        };
        world.receive(
            &formats()[1],
            REMOTE,
            MacAddress::BROADCAST,
            Some(0),
            Packet::Raw,
            &beacon.payload(),
        );
        let from = key(board, 0);
        world.open(from, 7);
        world.settle();
        world.ports.sent.clear();
        handles(&mut world, from, 300)
    };
    let one = serials_of(42);
    let all: BTreeSet<_> = one.iter().collect();
    assert_eq!(all.len(), one.len(), "none comes again");
    let step = |pair: &[u32]| pair[1].wrapping_sub(pair[0]);
    let steps: BTreeSet<_> = one.windows(2).map(step).collect();
    assert!(steps.len() > 290, "{} different steps", steps.len());
    assert!(one.iter().zip(serials_of(43)).all(|(a, b)| *a != b));
}
