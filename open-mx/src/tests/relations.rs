//! Connects, sessions, refusals: how relations begin, break and begin again.

use std::time::Duration;

use mx_engine::Code;
use mx_testnet::Faults;
use mx_wire::{Beacon, Format, MacAddress};

use super::world::{Station, World, connect, connected, content, finish, finish_within, pattern};
use crate::endpoint::Buffer;

const KEY: u32 = 0x1234_5678;

fn world() -> World {
    World::new(2, Format::native(9000).unwrap(), 3)
}

fn pair(world: &World) -> (Station, Station) {
    (
        world.open(0, 0, 0xa1a2_a3a4, KEY),
        world.open(1, 3, 0xb1b2_b3b4, KEY),
    )
}

/// One message there, checked.
fn exchange(a: &mut Station, b: &mut Station, to: mx_engine::PartnerKey, length: usize) {
    let buffer = Buffer::new(length).unwrap();
    let receive = b.receive(&buffer, 0, 0);
    let send = a.send(to, &pattern(length, 77), 1, false);
    assert_eq!(finish(b, a, receive).code, Code::Success);
    assert_eq!(finish(a, b, send).code, Code::Success);
    assert!(content(&buffer, length) == pattern(length, 77));
}

#[test]
fn a_one_way_connect_carries_large_messages_both_ways() {
    let world = world();
    let (mut a, mut b) = pair(&world);
    let to_b = connect(&mut a, &mut b);
    exchange(&mut a, &mut b, to_b, 100_000);
    let to_a = b.state.engine.loopback();
    assert_ne!(to_a, to_b);
    let buffer = Buffer::new(4).unwrap();
    let receive = b.receive(&buffer, 0, 0);
    a.send(to_b, b"ping", 0, false);
    let from_a = finish(&mut b, &mut a, receive).address.unwrap();
    exchange(&mut b, &mut a, from_a.partner, 100_000);
}

#[test]
fn answers_before_the_connect_back_do_not_stall_what_follows() {
    let world = world();
    let (mut a, mut b) = pair(&world);
    let to_b = connect(&mut a, &mut b);
    let buffer = Buffer::new(4).unwrap();
    let receive = b.receive(&buffer, 0, 0);
    a.send(to_b, b"ping", 0, false);
    let to_a = finish(&mut b, &mut a, receive).address.unwrap().partner;
    for _ in 0..3 {
        exchange(&mut b, &mut a, to_a, 20);
    }
    assert_eq!(connect(&mut b, &mut a), to_a);
    for length in [20, 20_000, 200_000] {
        exchange(&mut b, &mut a, to_a, length);
        exchange(&mut a, &mut b, to_b, length);
    }
}

#[test]
fn a_wrong_key_is_told() {
    let world = world();
    let (mut a, mut b) = pair(&world);
    let request = a.connect(1, 3, KEY + 1);
    let status = finish(&mut a, &mut b, request);
    assert_eq!(status.code, Code::RemoteEndpointBadConnectionKey);
}

#[test]
fn a_connect_to_a_closed_or_impossible_endpoint_is_refused() {
    let world = world();
    let (mut a, mut b) = pair(&world);
    let request = a.connect(1, 7, KEY);
    assert_eq!(
        finish(&mut a, &mut b, request).code,
        Code::RemoteEndpointClosed
    );
    let request = a.connect(1, 40, KEY);
    assert_eq!(
        finish(&mut a, &mut b, request).code,
        Code::RemoteEndpointBadId
    );
}

#[test]
fn a_connect_whose_frames_are_lost_is_repeated() {
    let world = world();
    let (mut a, mut b) = pair(&world);
    world.net().wire.faults = Faults::CUT;
    let request = a.connect(1, 3, KEY);
    assert!(finish_within(&mut a, &mut b, request, Duration::from_millis(500)).is_none());
    world.net().wire.faults = Faults::NONE;
    let soon = Duration::from_millis(300);
    let status = finish_within(&mut a, &mut b, request, soon).unwrap();
    assert_eq!(status.code, Code::Success);
}

/// How a large message ends whose receiver has vanished, and another endpoint has come.
fn large_message_beside(endpoint: u8, session: u32) -> Code {
    let world = world();
    let (mut a, mut b) = pair(&world);
    let (to_b, _) = connected(&mut a, &mut b);
    b.vanish();
    let mut other = world.open(1, endpoint, session, KEY);
    let send = a.send(to_b, &pattern(100_000, 1), 1, false);
    finish(&mut a, &mut other, send).code
}

#[test]
fn a_large_message_to_a_closed_endpoint_fails() {
    assert_eq!(large_message_beside(4, 1), Code::RemoteEndpointClosed);
}

#[test]
fn a_large_message_to_a_reopened_endpoint_fails_by_its_session() {
    let code = large_message_beside(3, 0xcccc_cccc);
    assert_eq!(code, Code::RemoteEndpointBadSession);
}

#[test]
fn a_reopened_peer_that_is_connected_to_gets_and_sends_messages() {
    let world = world();
    let (mut a, mut b) = pair(&world);
    let (to_b, to_a) = connected(&mut a, &mut b);
    for _ in 0..5 {
        exchange(&mut a, &mut b, to_b, 100);
        exchange(&mut b, &mut a, to_a, 100);
    }
    b.vanish();
    let mut again = world.open(1, 3, 0xcccc_cccc, KEY);
    assert_eq!(connect(&mut a, &mut again), to_b);
    let to_a = connect(&mut again, &mut a);
    for length in [10, 10_000, 100_000] {
        exchange(&mut a, &mut again, to_b, length);
        exchange(&mut again, &mut a, to_a, length);
    }
}

#[test]
fn a_reopened_peer_and_its_old_partner_may_connect_to_each_other_at_the_same_time() {
    let world = world();
    let (mut a, mut b) = pair(&world);
    let (to_b, to_a) = connected(&mut a, &mut b);
    for _ in 0..5 {
        exchange(&mut a, &mut b, to_b, 100);
        exchange(&mut b, &mut a, to_a, 100);
    }
    b.vanish();
    let mut again = world.open(1, 3, 0xcccc_cccc, KEY);
    let here = a.connect(1, 3, KEY);
    let there = again.connect(0, 0, KEY);
    let to_b = finish(&mut a, &mut again, here);
    let to_a = finish(&mut again, &mut a, there);
    assert_eq!((to_b.code, to_a.code), (Code::Success, Code::Success));
    for length in [10, 10_000, 100_000] {
        exchange(&mut a, &mut again, to_b.address.unwrap().partner, length);
        exchange(&mut again, &mut a, to_a.address.unwrap().partner, length);
    }
}

#[test]
fn a_partner_that_never_answers_is_given_up_after_500_seconds_and_can_be_connected_again() {
    let world = world();
    let (mut a, mut b) = pair(&world);
    let (to_b, to_a) = connected(&mut a, &mut b);
    exchange(&mut a, &mut b, to_b, 100);
    world.net().wire.faults = Faults::CUT;
    let send = a.send(to_b, &pattern(100_000, 1), 1, false);
    for second in 0..520 {
        world.skip(Duration::from_secs(1));
        let status = a.test(send);
        if let Some(status) = status {
            assert!(second >= 495, "given up after {second} s");
            assert_eq!(status.code, Code::RemoteEndpointUnreachable);
            break;
        }
        assert!(second < 519, "never given up");
    }
    let refused = a.send(to_b, b"x", 1, false);
    let status = finish(&mut a, &mut b, refused);
    assert_eq!(status.code, Code::RemoteEndpointUnreachable);

    world.net().wire.faults = Faults::NONE;
    assert_eq!(connect(&mut a, &mut b), to_b);
    for length in [10, 10_000, 100_000] {
        exchange(&mut a, &mut b, to_b, length);
        exchange(&mut b, &mut a, to_a, length);
    }
}

#[test]
fn an_application_that_was_away_for_long_does_not_give_its_partner_up_at_once() {
    let world = world();
    let (mut a, mut b) = pair(&world);
    let (to_b, _) = connected(&mut a, &mut b);
    world.net().wire.faults = Faults::CUT;
    let send = a.send(to_b, &pattern(100_000, 1), 1, false);
    world.pass(Duration::from_millis(1));
    world.skip(Duration::from_secs(10_000));
    world.net().wire.faults = Faults::NONE;
    let buffer = Buffer::new(100_000).unwrap();
    b.receive(&buffer, 0, 0);
    assert_eq!(finish(&mut a, &mut b, send).code, Code::Success);
}

#[test]
fn after_a_disconnect_both_sides_can_connect_again() {
    let world = world();
    let (mut a, mut b) = pair(&world);
    let (to_b, to_a) = connected(&mut a, &mut b);
    for round in 0..6 {
        exchange(&mut a, &mut b, to_b, 100 + round);
        exchange(&mut b, &mut a, to_a, 40_000);
        a.disconnect(to_b);
        let refused = a.send(to_b, b"x", 1, false);
        let status = finish(&mut a, &mut b, refused);
        assert_eq!(status.code, Code::RemoteEndpointUnreachable);
        assert_eq!(connect(&mut a, &mut b), to_b);
    }
}

#[test]
fn sequence_numbers_wrap_without_a_gap() {
    let world = world();
    let (mut a, mut b) = pair(&world);
    let (to_b, to_a) = connected(&mut a, &mut b);
    let buffer = Buffer::new(8).unwrap();
    for i in 0..17_000u64 {
        let receive = b.receive(&buffer, 0, 0);
        a.send(to_b, &i.to_le_bytes(), i, false);
        let status = finish(&mut b, &mut a, receive);
        assert_eq!(status.match_info, i);
        assert_eq!(content(&buffer, 8), i.to_le_bytes());
    }
    exchange(&mut b, &mut a, to_a, 100_000);
}

#[test]
fn a_window_of_unacknowledged_messages_throttles_and_goes_on() {
    let world = world();
    let (mut a, mut b) = pair(&world);
    let (to_b, _) = connected(&mut a, &mut b);
    let sends: Vec<_> = (0..9000u64).map(|i| a.send(to_b, b"x", i, false)).collect();
    let buffer = Buffer::new(8).unwrap();
    for i in 0..9000 {
        let receive = b.receive(&buffer, 0, 0);
        assert_eq!(finish(&mut b, &mut a, receive).match_info, i);
    }
    for send in sends {
        assert_eq!(finish(&mut a, &mut b, send).code, Code::Success);
    }
}

#[test]
fn who_gets_the_index_of_a_peer_that_has_gone_is_not_taken_for_it() {
    let format = Format::native(9000).unwrap();
    let world = World::new(2, format, 3);
    let mut here = world.open(0, 1, 0x1111, KEY);
    let mut gone = world.open(1, 2, 0x2222, KEY);
    let (to_gone, _) = connected(&mut here, &mut gone);
    let (index, ..) = here.state.engine.describe(to_gone).unwrap();
    let old = here.state.address(to_gone).unwrap().nic_id;
    // It is silent for long, and the table fills with others.
    gone.vanish();
    world.net().silent = Some(1);
    world.skip(Duration::from_secs(2000));
    world.pass(Duration::from_millis(50));
    assert!(here.state.board.peer(index).is_none(), "it has aged");
    let places = mx_ring::board_page::PEERS as u32 - 64;
    let count = |here: &Station| u32::from(here.state.board.description().unwrap().peer_count);
    for number in 0_u16.. {
        if count(&here) == places {
            break;
        }
        let [high, low] = number.to_be_bytes();
        let board = MacAddress([2, 9, 0, 0, high, low]);
        let payload = Beacon { board, serial: 1 }.payload();
        let mut bytes = [0; 64];
        let length = Beacon::frame(board, &payload).emit(&format, &mut bytes);
        world.hear(0, &bytes[..length.unwrap()]);
        world.pass(Duration::from_micros(10));
    }
    let mac = MacAddress([2, 0, 0, 0, 0, 0x77]);
    let new = mac.nic_id();
    world.join(mac, format);
    world.pass(Duration::from_secs(2));
    assert_eq!(here.state.board.peer_by_nic_id(new), Ok(index));
    // It connects first, from an endpoint of the same number.
    let mut come = world.open(2, 2, 0x3333, KEY);
    let to_here = connect(&mut come, &mut here);
    let lost = here.send(to_gone, b"for the old one", 1, false);
    let status = finish(&mut here, &mut come, lost);
    assert_eq!(status.code, Code::RemoteEndpointUnreachable);
    let to_new = connect(&mut here, &mut come);
    assert_ne!(to_new, to_gone);
    assert_ne!(old, new);
    assert_eq!(here.state.address(to_new).unwrap().nic_id, new);
    let buffer = Buffer::new(100).unwrap();
    let receive = come.receive(&buffer, 0, 0);
    here.send(to_new, b"for the new one", 2, false);
    let status = finish(&mut come, &mut here, receive);
    assert_eq!((status.code, status.match_info), (Code::Success, 2));
    let receive = here.receive(&buffer, 0, 0);
    come.send(to_here, b"back", 3, false);
    let status = finish(&mut here, &mut come, receive);
    assert_eq!(status.address.unwrap().nic_id, new);
}
