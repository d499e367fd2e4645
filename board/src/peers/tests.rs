//! Who is in the table, for how long, and what a successor believes of it.

use super::*;

const NOW: Instant = Instant::from_nanos(1_000_000_000);

fn mac(n: u16) -> MacAddress {
    let [a, b] = n.to_be_bytes();
    MacAddress([2, 0, 0, 0, a, b])
}

#[test]
fn an_index_is_the_order_of_insertion_and_is_found_again_by_address() {
    let mut table = PeerTable::new(1024);
    for n in 0..900 {
        assert_eq!(table.add(NOW, mac(n)), Some(n));
    }
    for n in 0..900 {
        assert_eq!(table.index_of(mac(n)), Some(n));
        assert_eq!(table.add(NOW, mac(n)), Some(n));
    }
    assert_eq!(table.index_of(mac(900)), None);
    assert_eq!(table.count(), 900);
}

#[test]
fn a_flood_of_strangers_leaves_room_for_local_boards() {
    let mut table = PeerTable::new(256);
    for n in 0..2000 {
        table.add(NOW, mac(n));
    }
    assert!(table.is_full());
    assert_eq!(table.count(), 256 - KEPT_FOR_LOCAL);
    assert!(table.add_known(NOW, mac(5000), Some(BoardId(3))).is_some());
}

#[test]
fn nameless_peers_are_found_in_order_until_they_have_a_name() {
    let mut table = PeerTable::new(256);
    for n in 0..3 {
        table.add(NOW, mac(n));
    }
    assert!(table.set_name(1, HostName::new(b"one:0")));
    assert!(!table.set_name(1, HostName::new(b"one:0")));
    let now = Instant::from_nanos(1);
    assert_eq!(table.next_to_ask(now), Some(0));
    table.asked(0, now);
    assert_eq!(table.next_to_ask(now), Some(2));
    assert_eq!(table.ask_next_at(), Some(Instant::default()));
    table.asked(2, now);
    assert_eq!(table.next_to_ask(now), None);
    table.set_name(0, HostName::new(b"zero:0"));
    table.set_name(2, HostName::new(b"two:0"));
    assert!(!table.has_nameless());
    table.set_name(2, HostName::UNKNOWN);
    assert!(table.has_nameless());
}

#[test]
fn a_forgotten_peer_is_not_found_and_gets_its_index_back() {
    let mut table = PeerTable::new(256);
    for n in 0..3 {
        table.add(NOW, mac(n));
    }
    table.set_name(1, HostName::new(b"one:0"));
    table.forget(1);
    table.forget(1);
    assert!(table.get(1).is_none());
    assert_eq!(table.index_of(mac(1)), None);
    assert!(!table.set_name(1, HostName::new(b"ghost:0")));
    table.asked(0, Instant::default());
    assert_eq!(table.next_to_ask(Instant::default()), Some(2));
    table.set_name(0, HostName::new(b"zero:0"));
    table.set_name(2, HostName::new(b"two:0"));
    assert!(!table.has_nameless());
    assert_eq!(table.add(NOW, mac(1)), Some(1));
    assert!(table.has_nameless());
    assert!(table.get(1).is_some_and(|peer| peer.name().is_unknown()));
    assert_eq!(table.count(), 3);
}

#[test]
fn peers_that_are_taken_over_keep_their_indices_and_lies_among_them_are_free_places() {
    let mut table = PeerTable::new(256);
    table.add_known(NOW, mac(9), Some(BoardId(0)));
    let left = |mac, name: &[u8]| {
        let name = HostName::new(name);
        Some(PeerLeft {
            mac,
            name,
            reverse: Some(3),
            fixed: false,
        })
    };
    let group = MacAddress([0xff; 6]);
    let nobody = MacAddress::default();
    table.take_over(
        NOW,
        &[
            left(mac(1), b"not the board itself"),
            left(mac(1), b"one:0"),
            left(mac(9), b"own"),
            None,
            left(group, b"group"),
            left(mac(1), b"again"),
            left(nobody, b"nobody"),
            left(mac(2), b""),
            None,
        ],
    );
    let known: Vec<_> = table
        .all()
        .map(|(index, peer)| (index, peer.mac()))
        .collect();
    assert_eq!(known, [(0, mac(9)), (1, mac(1)), (7, mac(2))]);
    assert_eq!(table.get(1).map(Peer::name), Some(&HostName::new(b"one:0")));
    assert_eq!(table.next_to_ask(NOW), Some(0));
    assert_eq!(
        [mac(1), mac(2)].map(|mac| table.index_of(mac)),
        [Some(1), Some(7)]
    );
    assert_eq!([nobody, group].map(|mac| table.index_of(mac)), [None, None]);
    assert_eq!(table.add(NOW, mac(3)), Some(8));
    for stranger in 4..2000 {
        table.add(NOW, mac(stranger));
    }
    let free: Vec<_> = (2..7).map(|index| table.get(index).is_some()).collect();
    assert_eq!(
        free, [true; 5],
        "strangers take the free places when all others are taken"
    );
}

#[test]
fn a_table_that_is_taken_over_has_no_more_places_than_any() {
    let mut table = PeerTable::new(256);
    table.add_known(NOW, mac(5000), Some(BoardId(0)));
    let left: Vec<_> = (0..1024)
        .map(|n| {
            Some(PeerLeft {
                mac: mac(n),
                name: HostName::UNKNOWN,
                reverse: None,
                fixed: true,
            })
        })
        .collect();
    table.take_over(NOW, &left);
    assert_eq!(table.count(), 256);
}
