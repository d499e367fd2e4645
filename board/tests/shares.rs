//! What boards share, each has a part of for itself, and the rest goes to who wants it, and back.

mod world;

use mx_board::{BoardLimits, CommandError, EndpointKey};
use mx_ring::{Command, CommandBody, Destination, EventBody, PullOrder};
use mx_wire::MacAddress;
use world::*;

/// A pull that nobody answers.
fn pull(cookie: u32) -> Command {
    Command {
        to: Destination {
            peer: 1,
            endpoint: 0,
            session: 0xb,
        },
        body: CommandBody::Pull(PullOrder {
            region: region(1),
            offset: 0,
            length: 4096,
            window: 0,
            window_seqnum: 23,
            window_offset: 0,
            cookie,
            backend: 0,
        }),
    }
}

/// A board whose peer 1 is a machine that never says a word, with so many endpoints.
fn board(world: &mut World, number: u8, endpoints: u8) -> Vec<EndpointKey> {
    let mac = MacAddress([2, 0, 0, 0, 0, number]);
    let id = world.board(mac, &format!("guest{number}:0"));
    let silent = mx_ring::admin::Change::AddPeer {
        mac: MacAddress([2, 0, 0, 0, 1, number]),
        name: [0; 80],
    };
    world
        .switch
        .change(world.now, id, &silent, &mut world.ports)
        .unwrap();
    let keys: Vec<_> = (0..endpoints).map(|endpoint| key(id, endpoint)).collect();
    for key in &keys {
        world.switch.open_endpoint(*key, 7, 1024).unwrap();
    }
    keys
}

/// Pulls that the endpoint gets until it has to wait.
fn fill(world: &mut World, key: EndpointKey) -> u32 {
    let mut count = 0;
    while world.command(key, pull(count)).is_ok() {
        count += 1;
    }
    let full = world.command(key, pull(count));
    assert_eq!(full, Err(CommandError::PullsFull));
    count
}

/// Ends all of them.
fn abort(world: &mut World, key: EndpointKey, count: u32) {
    for cookie in 0..count {
        let body = CommandBody::AbortPull { cookie };
        let to = pull(0).to;
        world.command(key, Command { to, body }).unwrap();
    }
    world.settle();
    let ends = world.ports.take(key);
    let is_end =
        |(event, _): &&(mx_ring::Event, Vec<u8>)| matches!(event.body, EventBody::PullDone(_));
    assert_eq!(ends.iter().filter(is_end).count(), count as usize);
}

#[test]
fn a_board_that_wants_all_pulls_leaves_the_others_their_own_and_gives_the_rest_back() {
    let mut world = World::new(formats()[1]);
    world.switch.share_pulls(3000);
    let greedy = board(&mut world, 1, 4);
    let modest = board(&mut world, 2, 2);
    let limits = BoardLimits {
        pulls: 2048,
        nacks: 1000,
    };
    for keys in [&greedy, &modest] {
        world.switch.set_limits(world.now, keys[0].board, limits);
    }
    let usage = |world: &World, key: EndpointKey| world.switch.board(key.board).unwrap().usage();
    let got: Vec<u32> = greedy.iter().map(|key| fill(&mut world, *key)).collect();
    assert_eq!(got, [1024, 1024, 16, 16], "no more than its limit");
    assert_eq!(usage(&world, greedy[0]).pulls, 2080);
    assert!(usage(&world, greedy[0]).pulls_refused > 0);
    let rest = fill(&mut world, modest[0]) + fill(&mut world, modest[1]);
    assert_eq!(rest, (3000 + 2 * 64) / 16 * 16 - 2080);
    abort(&mut world, greedy[0], 1024);
    assert_eq!(usage(&world, greedy[0]).pulls, 1056);
    let more = fill(&mut world, modest[1]);
    assert!(more > 900, "{more} of what came back");
    // A board that goes takes nothing with it.
    world.switch.remove_board(greedy[0].board, &mut world.ports);
    world.switch.close_endpoint(world.now, modest[0]).unwrap();
    world.switch.remove_board(modest[0].board, &mut world.ports);
    let next = board(&mut world, 3, 4);
    let all: u32 = next.iter().map(|key| fill(&mut world, *key)).sum();
    assert_eq!(all, 3056, "all that is shared, and its own");
}

#[test]
fn a_board_sends_no_more_nacks_than_it_may_whoever_asks_for_them() {
    let mut world = World::new(formats()[1]);
    let victim = board(&mut world, 1, 1)[0];
    let limits = BoardLimits {
        pulls: 64,
        nacks: 100,
    };
    world.switch.set_limits(world.now, victim.board, limits);
    let format = formats()[1];
    let mut senders = Vec::new();
    for number in 0..50 {
        let mac = MacAddress([2, 0, 0, 0, 2, number]);
        let beacon = mx_wire::Beacon {
            board: mac,
            serial: 1,
        };
        let payload = beacon.payload();
        let to = MacAddress::BROADCAST;
        world.receive(&format, mac, to, Some(0), mx_wire::Packet::Raw, &payload);
        senders.push(mac);
    }
    world.settle();
    world.ports.sent.clear();
    for mac in senders {
        let peers = world.switch.board(victim.board).unwrap().peers();
        let index = peers.index_of(mac);
        assert!(index.is_some());
        for seq in 0..10 {
            let message = mx_wire::Message {
                seq,
                ack: 1,
                content: mx_wire::Content::Tiny(mx_wire::Eager {
                    match_info: 0,
                    length: 0,
                }),
            };
            let packet = mx_wire::Packet::Message {
                ends: mx_wire::Ends {
                    destination: 0,
                    source: 0,
                },
                session: 99,
                message,
            };
            let to = MacAddress([2, 0, 0, 0, 0, 1]);
            world.receive(&format, mac, to, index, packet, &[]);
        }
    }
    assert_eq!(world.ports.sent.len(), 100);
    let usage = world.switch.board(victim.board).unwrap().usage();
    assert_eq!(usage.nacks_refused, 400);
}
