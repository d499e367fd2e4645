//! What administrators change at a board, and what the others see of it.

mod world;

use mx_board::{BoardId, ChangeError, HostName};
use mx_ring::Counter;
use mx_ring::admin::{Change, Name};
use mx_wire::*;
use world::*;

fn name(text: &str) -> Name {
    *HostName::new(text.as_bytes()).padded()
}

/// Two boards here, and a node elsewhere of which both have heard: peer 2 of each.
fn fabric() -> (World, [BoardId; 2]) {
    let mut world = World::new(formats()[1]);
    let boards = [
        world.board(NODE_A, "a:0"),
        world.board(MacAddress([2, 0, 0, 0, 0, 0x77]), "b:0"),
    ];
    hear(&mut world, 1);
    world.settle();
    world.ports.sent.clear();
    (world, boards)
}

/// A beacon of the node elsewhere.
fn hear(world: &mut World, serial: u32) {
    let board = NODE_B;
    let payload = Beacon { board, serial }.payload();
    let everyone = MacAddress::BROADCAST;
    world.receive(
        &formats()[1],
        board,
        everyone,
        Some(0),
        Packet::Raw,
        &payload,
    );
}

fn change(world: &mut World, board: BoardId, change: &Change) -> Result<(), ChangeError> {
    world
        .switch
        .change(world.now, board, change, &mut world.ports)
}

fn peer_name(world: &World, board: BoardId, index: u16) -> Option<String> {
    let peer = world.switch.board(board)?.peers().get(index)?;
    Some(peer.name().to_string())
}

#[test]
fn counters_start_from_zero_again() {
    let (mut world, [a, b]) = fabric();
    assert!(world.count(a, Counter::RecvRaw) > 0);
    change(&mut world, a, &Change::ClearCounters).unwrap();
    assert_eq!(world.count(a, Counter::RecvRaw), 0);
    assert!(world.count(b, Counter::RecvRaw) > 0, "the other's stay");
}

#[test]
fn a_new_name_is_seen_by_the_boards_here_and_told_to_who_asks() {
    let (mut world, [a, b]) = fabric();
    change(&mut world, a, &Change::SetHostname(name("new:0"))).unwrap();
    assert_eq!(peer_name(&world, a, 0).as_deref(), Some("new:0"));
    let seen = (0..3).filter_map(|index| peer_name(&world, b, index));
    assert_eq!(seen.filter(|it| it == "new:0").count(), 1);
    let query = Packet::HostQuery(HostQuery {
        sender_index: 4,
        magic: HostQuery::FIRST_MAGIC,
    });
    world.receive(&formats()[1], NODE_B, NODE_A, Some(0), query, &[]);
    let bytes = world.ports.sent.pop_back().expect("an answer");
    let frame = Frame::parse(&formats()[1], &bytes).unwrap();
    assert!(matches!(frame.packet, Packet::HostReply(_)));
    assert!(frame.payload.starts_with(b"new:0"));
    let empty = Change::SetHostname(name(""));
    assert_eq!(change(&mut world, a, &empty), Err(ChangeError::NoName));
}

#[test]
fn forgotten_names_are_asked_for_at_once() {
    let (mut world, [a, _]) = fabric();
    let known = Change::AddPeer {
        mac: NODE_B,
        name: name("far:0"),
    };
    change(&mut world, a, &known).unwrap();
    world.settle();
    world.ports.sent.clear();
    change(&mut world, a, &Change::ClearPeerNames).unwrap();
    assert_eq!(peer_name(&world, a, 2).as_deref(), Some(""));
    assert_ne!(
        peer_name(&world, a, 1).as_deref(),
        Some(""),
        "of this backend"
    );
    world.settle();
    let asked = world.ports.frames(&formats()[1]);
    assert!(asked.iter().any(|it| matches!(it, Packet::HostQuery(_))));
}

#[test]
fn forgotten_peers_are_strangers_until_they_are_heard_of_and_keep_their_index() {
    let (mut world, [a, _]) = fabric();
    change(&mut world, a, &Change::ClearPeers).unwrap();
    assert_eq!(peer_name(&world, a, 2), None);
    assert!(peer_name(&world, a, 0).is_some() && peer_name(&world, a, 1).is_some());
    let before = world.count(a, Counter::DropBadPeerAddr);
    let reply = Packet::HostReply(HostReply {
        sender_index: 4,
        magic: HostQuery::FIRST_MAGIC,
    });
    world.receive(&formats()[1], NODE_B, NODE_A, Some(0), reply, b"far:0");
    assert_eq!(world.count(a, Counter::DropBadPeerAddr), before + 1);
    hear(&mut world, 2);
    assert!(peer_name(&world, a, 2).is_some());
}

#[test]
fn only_stations_are_added_and_boards_here_keep_their_names() {
    let (mut world, [a, b]) = fabric();
    for mac in [[0; 6], [0xff; 6], [1, 0, 0, 0, 0, 1]].map(MacAddress) {
        let bad = Change::AddPeer {
            mac,
            name: name("bad:0"),
        };
        let refused = Err(ChangeError::BadAddress(mac));
        assert_eq!(change(&mut world, a, &bad), refused);
    }
    let own = Change::AddPeer {
        mac: NODE_A,
        name: name("thief:0"),
    };
    change(&mut world, b, &own).unwrap();
    assert!((0..3).all(|index| peer_name(&world, b, index).as_deref() != Some("thief:0")));
    let nobody = BoardId(9);
    let cleared = change(&mut world, nobody, &Change::ClearPeers);
    assert_eq!(cleared, Err(ChangeError::NoBoard));
}
