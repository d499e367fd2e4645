//! A large message that was announced and acknowledged waits until it is fetched; its sender finds out when that will
//! never be.

use std::time::Duration;

use mx_engine::{Code, RequestKey, Selection};
use mx_testnet::Faults;
use mx_wire::Format;

use super::world::{Station, World, connected, content, finish, finish_within, pattern};
use crate::endpoint::Buffer;

const KEY: u32 = 7;
const SECOND: Duration = Duration::from_secs(1);
const LENGTH: usize = 100_000;

/// Two endpoints, and a large message from the first one that the second has acknowledged.
fn waiting() -> (World, Station, Station, RequestKey) {
    let world = World::new(2, Format::native(9000).unwrap(), 12);
    let mut a = world.open(0, 0, 0xa, KEY);
    let mut b = world.open(1, 3, 0xb, KEY);
    let (to_b, _) = connected(&mut a, &mut b);
    let send = a.send(to_b, &pattern(LENGTH, 1), 1, false);
    for _ in 0..5 {
        world.pass(SECOND / 50);
        b.progress();
        a.progress();
    }
    (world, a, b, send)
}

#[test]
fn a_partner_that_was_closed_meanwhile_is_noticed_without_other_traffic() {
    let (world, mut a, b, send) = waiting();
    b.vanish();
    let mut other = world.open(1, 4, 1, KEY);
    let status = finish_within(&mut a, &mut other, send, 3 * SECOND).expect("an end");
    assert_eq!(status.code, Code::RemoteEndpointClosed);
    assert_eq!(status.transferred, 0);
    assert_eq!(a.state.engine.holdings().windows, 0);
}

#[test]
fn a_partner_that_was_opened_again_is_noticed_too() {
    let (world, mut a, b, send) = waiting();
    b.vanish();
    let mut again = world.open(1, 3, 0xcccc, KEY);
    let status = finish_within(&mut a, &mut again, send, 3 * SECOND).expect("an end");
    assert_eq!(status.code, Code::RemoteEndpointBadSession);
}

#[test]
fn a_partner_that_is_silent_is_given_up_after_the_timeout_of_the_send() {
    for (timeout, times) in [(Some(3), 3..8), (None, 499..540)] {
        let (world, mut a, mut b, send) = waiting();
        world.net().wire.faults = Faults::CUT;
        if let Some(timeout) = timeout {
            a.state.engine.set_timeout(Some(send), timeout * SECOND);
        }
        let begun = world.net().now;
        let status = finish_within(&mut a, &mut b, send, 600 * SECOND).expect("an end");
        assert_eq!(status.code, Code::RemoteEndpointUnreachable);
        let took = (world.net().now - begun).as_secs();
        assert!(times.contains(&took), "{took} s");
    }
}

#[test]
fn a_partner_that_takes_its_time_gets_the_message_and_is_asked_rarely() {
    let (world, mut a, mut b, send) = waiting();
    let begun = world.net().now;
    world.net().log = Some(Vec::new());
    let mut asked = 0;
    while world.net().now - begun < 3600 * SECOND {
        world.skip(SECOND / 2);
        for _ in 0..3 {
            a.progress();
            b.progress();
            world.pass(SECOND / 500);
        }
        let log = world.net().log.replace(Vec::new()).unwrap();
        const TINY: u8 = 37;
        asked += log.iter().filter(|(_, frame)| frame[16] == TINY).count();
        assert!(
            b.state
                .engine
                .probe(&Selection::new(0, 0))
                .is_some_and(|probe| probe.match_info == 1)
        );
    }
    assert!((100..130).contains(&asked), "asked {asked} times");
    let buffer = Buffer::new(LENGTH).unwrap();
    let receive = b.receive(&buffer, 0, 0);
    assert_eq!(finish(&mut b, &mut a, receive).code, Code::Success);
    assert_eq!(finish(&mut a, &mut b, send).code, Code::Success);
    assert!(content(&buffer, LENGTH) == pattern(LENGTH, 1));
    // No probe counts as a message.
    assert!(b.state.engine.probe(&Selection::new(0, 0)).is_none());
}

#[test]
fn an_application_that_was_away_asks_before_it_gives_a_partner_up() {
    let (world, mut a, mut b, send) = waiting();
    world.skip(10_000 * SECOND);
    let buffer = Buffer::new(LENGTH).unwrap();
    for _ in 0..100 {
        world.pass(SECOND / 10);
        a.progress();
        b.progress();
    }
    b.receive(&buffer, 0, 0);
    assert_eq!(finish(&mut a, &mut b, send).code, Code::Success);
}
