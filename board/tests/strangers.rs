//! Who is a peer, for how long, and by which name: floods of strangers, names that two say, machines that are silent.

mod world;

use std::collections::BTreeSet;

use mx_board::{BoardId, HostName, Instant};
use mx_ring::admin::Change;
use mx_ring::warning::Warning;
use mx_ring::{CommandBody, Destination};
use mx_wire::*;
use proptest::prelude::*;
use world::*;

/// Seconds after which a silent peer is none any more, and a beacon more.
const LONG: u64 = 600 + 181;

fn format() -> Format {
    formats()[1]
}

fn mac(n: u32) -> MacAddress {
    let [a, b, c, d] = n.to_be_bytes();
    MacAddress([2, 7, a, b, c, d])
}

fn beacon(world: &mut World, board: MacAddress, serial: u32) {
    let payload = Beacon { board, serial }.payload();
    let everyone = MacAddress::BROADCAST;
    world.receive(&format(), board, everyone, Some(0), Packet::Raw, &payload);
}

/// Somebody says its name to the board at NODE_A.
fn says(world: &mut World, source: MacAddress, name: &str) {
    let reply = Packet::HostReply(HostReply {
        sender_index: 4,
        magic: HostQuery::FIRST_MAGIC,
    });
    world.receive(&format(), source, NODE_A, Some(0), reply, name.as_bytes());
}

/// A board at NODE_A.
fn node() -> (World, BoardId) {
    let mut world = World::new(format());
    let a = world.board(NODE_A, "a:0");
    world.settle();
    (world, a)
}

/// Somebody appears and says its name.
fn joins(world: &mut World, source: MacAddress, name: &str) {
    beacon(world, source, 1);
    says(world, source, name);
}

fn at(world: &mut World, seconds: u64) {
    world.now = second(seconds);
    world.settle();
}

fn name_of(world: &World, board: BoardId, mac: MacAddress) -> Option<String> {
    let peers = world.switch.board(board)?.peers();
    let peer = peers.get(peers.index_of(mac)?)?;
    Some(peer.name().to_string())
}

fn warned(world: &World, board: BoardId, warning: Warning) -> u32 {
    let board = world.switch.board(board).unwrap();
    board.warnings().notices().get(warning).times
}

fn change(world: &mut World, board: BoardId, change: Change) {
    let (now, ports) = (world.now, &mut world.ports);
    world.switch.change(now, board, &change, ports).unwrap();
}

#[test]
fn a_flood_of_forged_beacons_drives_out_no_peer_that_said_its_name_and_newcomers_still_come_in() {
    let (mut world, a) = node();
    let live: Vec<_> = (0..40).map(|n| mac(0x1000 + n)).collect();
    for (n, live) in live.iter().enumerate() {
        joins(&mut world, *live, &format!("live{n}:0"));
    }
    let given = mac(0x2000);
    change(
        &mut world,
        a,
        Change::AddPeer {
            mac: given,
            name: *HostName::new(b"given:0").padded(),
        },
    );
    let newcomer = mac(0x3000);
    for n in 0..5000 {
        world.now = Instant::from_nanos(5_000_000_000 + u64::from(n) * 10_000_000);
        beacon(&mut world, mac(0x10000 + n), n);
        if n == 2500 {
            joins(&mut world, newcomer, "newcomer:0");
        }
    }
    assert_eq!(name_of(&world, a, newcomer).as_deref(), Some("newcomer:0"));
    assert_eq!(name_of(&world, a, given).as_deref(), Some("given:0"));
    for (n, live) in live.iter().enumerate() {
        assert_eq!(name_of(&world, a, *live), Some(format!("live{n}:0")));
    }
    let guest = world.board(NODE_B, "guest:0");
    assert_eq!(name_of(&world, a, NODE_B).as_deref(), Some("guest:0"));
    assert_eq!(name_of(&world, guest, NODE_A).as_deref(), Some("a:0"));
}

#[test]
fn a_flood_of_beacons_is_answered_by_few_questions() {
    let (mut world, _) = node();
    world.ports.sent.clear();
    for n in 0..20_000 {
        world.now = Instant::from_nanos(5_000_000_000 + u64::from(n) * 100_000);
        beacon(&mut world, mac(n), n);
    }
    // 191 places that are free, 64 at once, and 250 in each of two seconds.
    let asked = world.ports.sent.len();
    assert!(asked <= 191 + 64 + 2 * 250, "{asked}");
}

#[test]
fn a_flood_of_questions_for_a_name_is_answered_twenty_times_a_second_and_only_its_asker_waits() {
    let (mut world, _) = node();
    let (flood, modest) = (mac(1), mac(2));
    joins(&mut world, flood, "flood:0");
    joins(&mut world, modest, "modest:0");
    let ask = |world: &mut World, from| {
        let query = Packet::HostQuery(HostQuery {
            sender_index: 3,
            magic: HostQuery::FIRST_MAGIC,
        });
        world.ports.sent.clear();
        world.receive(&format(), from, NODE_A, Some(0), query, &[]);
        let answers = world.ports.frames(&format());
        usize::from(matches!(answers[..], [Packet::HostReply(_)]))
    };
    let mut answered = 0;
    for n in 0..20_000 {
        world.now = Instant::from_nanos(5_000_000_000 + n * 100_000);
        answered += ask(&mut world, flood);
        // An honest one asks now and then.
        if n % 1000 == 0 {
            assert_eq!(ask(&mut world, modest), 1);
        }
    }
    assert!((16..=16 + 2 * 20).contains(&answered), "{answered}");
}

#[test]
fn when_a_flood_is_over_its_peers_go_and_the_table_is_full_no_more() {
    let (mut world, a) = node();
    // They even answer, so that none gives way to another.
    for n in 0..500 {
        joins(&mut world, mac(n), &format!("forged{n}:0"));
    }
    let full = |world: &World| world.switch.board(a).unwrap().peers().is_full();
    assert!(full(&world));
    let late = mac(0x9999);
    joins(&mut world, late, "late:0");
    assert_eq!(name_of(&world, a, late), None);
    at(&mut world, LONG);
    assert!(!full(&world));
    joins(&mut world, late, "late:0");
    assert_eq!(name_of(&world, a, late).as_deref(), Some("late:0"));
    assert_eq!(name_of(&world, a, mac(3)), None);
}

#[test]
fn an_administrator_who_clears_a_table_full_of_forgeries_makes_room() {
    let (mut world, a) = node();
    for n in 0..500 {
        joins(&mut world, mac(n), &format!("forged{n}:0"));
    }
    let late = mac(0x9999);
    joins(&mut world, late, "late:0");
    assert_eq!(name_of(&world, a, late), None);
    change(&mut world, a, Change::ClearPeers);
    assert!(!world.switch.board(a).unwrap().peers().is_full());
    // Places are given to strangers at a bounded rate.
    world.now = world.now + core::time::Duration::from_millis(4);
    joins(&mut world, late, "late:0");
    assert_eq!(name_of(&world, a, late).as_deref(), Some("late:0"));
    let given = mac(0x7777);
    let name = *HostName::new(b"given:0").padded();
    change(&mut world, a, Change::AddPeer { mac: given, name });
    assert_eq!(name_of(&world, a, given).as_deref(), Some("given:0"));
}

#[test]
fn a_silent_peer_goes_unless_it_was_given_is_of_this_backend_or_is_spoken_to() {
    let (mut world, a) = node();
    let guest = world.board(MacAddress([2, 0, 0, 0, 0, 0x77]), "guest:0");
    let (silent, spoken_to, given) = (mac(1), mac(2), mac(3));
    joins(&mut world, silent, "silent:0");
    joins(&mut world, spoken_to, "partner:0");
    change(
        &mut world,
        a,
        Change::AddPeer {
            mac: given,
            name: *HostName::new(b"given:0").padded(),
        },
    );
    world.open(key(a, 0), 0xa);
    let peers = world.switch.board(a).unwrap().peers();
    let to = peers.index_of(spoken_to).unwrap();
    at(&mut world, 400);
    let request = mx_ring::Command {
        to: Destination {
            peer: to,
            endpoint: 0,
            session: 0,
        },
        body: CommandBody::Connect(Connect::Request(ConnectRequest {
            key: 1,
            next_expected: 1,
            connect_seqnum: 0,
        })),
    };
    world.command(key(a, 0), request).unwrap();
    world.ports.changed.clear();
    at(&mut world, LONG);
    assert_eq!(name_of(&world, a, silent), None);
    assert!(!world.ports.changed.is_empty(), "it is published");
    assert_eq!(name_of(&world, a, spoken_to).as_deref(), Some("partner:0"));
    assert_eq!(name_of(&world, a, given).as_deref(), Some("given:0"));
    assert!(name_of(&world, a, MacAddress([2, 0, 0, 0, 0, 0x77])).is_some());
    assert!(name_of(&world, guest, NODE_A).is_some());
    at(&mut world, 2 * LONG);
    assert_eq!(name_of(&world, a, spoken_to), None, "nobody any more");
    // Its index is its own as long as nobody needs the place.
    beacon(&mut world, spoken_to, 9);
    let peers = world.switch.board(a).unwrap().peers();
    assert_eq!(peers.index_of(spoken_to), Some(to));
}

#[test]
fn a_peer_that_beacons_now_and_then_stays() {
    let (mut world, a) = node();
    joins(&mut world, mac(1), "one:0");
    for minutes in (3..90).step_by(3) {
        at(&mut world, minutes * 60);
        beacon(&mut world, mac(1), 1);
    }
    assert_eq!(name_of(&world, a, mac(1)).as_deref(), Some("one:0"));
}

#[test]
fn the_name_of_a_board_here_is_never_anothers_and_who_has_it_is_told() {
    let (mut world, a) = node();
    let guest = world.board(MacAddress([2, 0, 0, 0, 0, 0x77]), "guest:0");
    let other = mac(1);
    for name in ["a:0", "guest:0"] {
        joins(&mut world, other, name);
        assert_eq!(name_of(&world, a, other).as_deref(), Some(""), "{name}");
    }
    assert_eq!(warned(&world, a, Warning::OwnName), 1, "its own name");
    assert_eq!(warned(&world, guest, Warning::OwnName), 0, "not asked");
    let notice = world.switch.board(a).unwrap().warnings().notices();
    assert_eq!(notice.get(Warning::OwnName).about, other);
    says(&mut world, other, "another:0");
    assert_eq!(name_of(&world, a, other).as_deref(), Some("another:0"));
    assert_eq!(warned(&world, a, Warning::OwnName), 0, "it is over");
    // A name that is taken here later is nobody else's from then on.
    let name = *HostName::new(b"another:0").padded();
    change(&mut world, guest, Change::SetHostname(name));
    assert_eq!(name_of(&world, a, other), None);
    let (now, ports) = (world.now, &mut world.ports);
    let twice = world
        .switch
        .change(now, a, &Change::SetHostname(name), ports);
    assert!(twice.is_err());
    let add = Change::AddPeer { mac: mac(8), name };
    assert!(world.switch.change(now, a, &add, ports).is_err());
}

#[test]
fn a_name_goes_to_the_next_when_who_had_it_does_not_answer() {
    let (mut world, a) = node();
    let (gone, new) = (mac(1), mac(2));
    joins(&mut world, gone, "guest1:0");
    at(&mut world, 100);
    world.ports.sent.clear();
    joins(&mut world, new, "guest1:0");
    let asked = world.ports.sent.iter().filter(|it| it[..6] == gone.0);
    assert_eq!(asked.count(), 1, "who has the name is asked first");
    assert_eq!(name_of(&world, a, gone).as_deref(), Some("guest1:0"));
    at(&mut world, 102);
    says(&mut world, new, "guest1:0");
    assert_eq!(name_of(&world, a, new).as_deref(), Some("guest1:0"));
    assert_eq!(name_of(&world, a, gone).as_deref(), Some(""));
}

#[test]
fn of_two_that_are_there_and_say_one_name_both_have_it() {
    let (mut world, a) = node();
    let (first, second) = (mac(1), mac(2));
    joins(&mut world, first, "twice:0");
    at(&mut world, 100);
    joins(&mut world, second, "twice:0");
    at(&mut world, 101);
    says(&mut world, first, "twice:0");
    at(&mut world, 102);
    says(&mut world, second, "twice:0");
    for mac in [first, second] {
        assert_eq!(name_of(&world, a, mac).as_deref(), Some("twice:0"));
    }
}

#[test]
fn who_was_given_its_name_by_an_administrator_keeps_it_to_itself() {
    let (mut world, a) = node();
    let given = mac(3);
    let name = *HostName::new(b"given:0").padded();
    joins(&mut world, mac(1), "given:0");
    change(&mut world, a, Change::AddPeer { mac: given, name });
    assert_eq!(name_of(&world, a, mac(1)), None);
    joins(&mut world, mac(1), "own:0");
    world.ports.changed.clear();
    says(&mut world, mac(1), "given:0");
    assert_eq!(name_of(&world, a, mac(1)).as_deref(), Some(""));
    assert!(!world.ports.changed.is_empty(), "it is published");
    says(&mut world, given, "changed:0");
    assert_eq!(name_of(&world, a, given).as_deref(), Some("given:0"));
    // It is given the name that it has.
    change(&mut world, a, Change::AddPeer { mac: given, name });
    assert_eq!(name_of(&world, a, given).as_deref(), Some("given:0"));
}

/// What strangers do.
#[derive(Clone, Debug)]
enum Deed {
    Beacon(u16),
    Says(u16, u8),
    Passes(u16),
    Clear,
    Give(u16, u8),
    Come(u8),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        8 => (0_u16..600).prop_map(Deed::Beacon),
        6 => (0_u16..600, 0_u8..9).prop_map(|(who, name)| Deed::Says(who, name)),
        2 => (0_u16..400).prop_map(Deed::Passes),
        1 => Just(Deed::Clear),
        1 => (0_u16..600, 0_u8..9).prop_map(|(who, name)| Deed::Give(who, name)),
        1 => (0_u8..4).prop_map(Deed::Come),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes: each address is a peer once, is found, and the boards of this backend have their names alone.
    #[test]
    fn the_table_stays_one_of_different_peers_whose_local_names_are_theirs(
        deeds in prop::collection::vec(deed(), 1..600)
    ) {
        let (mut world, a) = node();
        let mut seconds = 1;
        let mut came = BTreeSet::new();
        let name = |n: u8| format!("name{n}:0");
        for deed in deeds {
            match deed {
                Deed::Beacon(who) => beacon(&mut world, mac(who.into()), 1),
                Deed::Says(who, named) => says(&mut world, mac(who.into()), &name(named)),
                Deed::Passes(time) => {
                    seconds += u64::from(time);
                    at(&mut world, seconds);
                }
                Deed::Clear => change(&mut world, a, Change::ClearPeers),
                Deed::Give(who, named) => {
                    let give = Change::AddPeer {
                        mac: mac(who.into()),
                        name: *HostName::new(name(named).as_bytes()).padded(),
                    };
                    let (now, ports) = (world.now, &mut world.ports);
                    let _refused = world.switch.change(now, a, &give, ports);
                }
                Deed::Come(n) => {
                    if came.insert(n) {
                        world.board(MacAddress([2, 0, 0, 0, 0, n]), &name(n));
                    }
                }
            }
            world.ports.sent.clear();
            let board = world.switch.board(a).unwrap();
            let peers = board.peers();
            prop_assert!(peers.count() <= 256);
            let mut macs = BTreeSet::new();
            for (index, peer) in (0..peers.count()).filter_map(|i| Some((i, peers.get(i)?))) {
                prop_assert!(macs.insert(peer.mac().0));
                prop_assert_eq!(peers.index_of(peer.mac()), Some(index));
                let of_backend = came.iter().any(|n| peer.name().to_string() == name(*n));
                prop_assert!(peer.local().is_some() || !of_backend, "{}", peer.name());
            }
            prop_assert_eq!(peers.get(0).map(|peer| peer.mac()), Some(NODE_A));
        }
    }
}
