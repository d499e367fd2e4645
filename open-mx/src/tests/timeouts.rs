//! What has a timeout ends at it, when the wire takes everything.

use std::time::Duration;

use mx_engine::Code;
use mx_engine::RequestKey;
use mx_testnet::Faults;
use mx_wire::Format;

use super::world::{Station, World, connected, finish_within, pattern};
use crate::endpoint::Buffer;

const KEY: u32 = 0x1234_5678;

fn pair() -> (World, Station, Station) {
    let world = World::new(2, Format::native(9000).unwrap(), 11);
    let a = world.open(0, 0, 0xa1a2_a3a4, KEY);
    let b = world.open(1, 3, 0xb1b2_b3b4, KEY);
    (world, a, b)
}

fn take_everything(world: &World) {
    world.net().wire.faults = Faults::CUT;
}

/// Ends as unreachable between these times.
fn ends_between(
    world: &World,
    a: &mut Station,
    b: &mut Station,
    request: RequestKey,
    times: (u64, u64),
) {
    let start = world.net().now;
    let status = finish_within(a, b, request, Duration::from_secs(600)).expect("an end");
    let took = world.net().now - start;
    assert_eq!(status.code, Code::RemoteEndpointUnreachable);
    assert_eq!(status.transferred, 0);
    let (from, to) = (Duration::from_secs(times.0), Duration::from_secs(times.1));
    assert!((from..to).contains(&took), "{took:?}");
}

#[test]
fn a_send_is_given_up_after_its_timeout_and_without_one_after_500_seconds() {
    for (timeout, times) in [(Some(3), (3, 6)), (None, (480, 520))] {
        let (world, mut a, mut b) = pair();
        let (to_b, _) = connected(&mut a, &mut b);
        take_everything(&world);
        let send = a.send(to_b, b"lost", 1, true);
        if let Some(timeout) = timeout {
            let set = a
                .state
                .engine
                .set_timeout(Some(send), Duration::from_secs(timeout));
            assert_eq!(set, Some(()));
        }
        ends_between(&world, &mut a, &mut b, send, times);
    }
}

#[test]
fn a_connect_is_given_up_after_the_timeout_of_its_endpoint() {
    let (world, mut a, mut b) = pair();
    take_everything(&world);
    a.state.engine.set_timeout(None, Duration::from_secs(2));
    let connect = a.connect(1, 3, KEY);
    ends_between(&world, &mut a, &mut b, connect, (2, 5));
}

#[test]
fn a_pull_is_given_up_after_the_timeout_of_its_receive() {
    const LENGTH: usize = 8 << 20;
    let (world, mut a, mut b) = pair();
    let (to_b, _) = connected(&mut a, &mut b);
    let buffer = Buffer::new(LENGTH).unwrap();
    let receive = b.receive(&buffer, 1, u64::MAX);
    b.state
        .engine
        .set_timeout(Some(receive), Duration::from_secs(4));
    a.send(to_b, &pattern(LENGTH, 3), 1, false);
    // Long enough for the rendezvous to arrive, not for 8 MiB.
    world.pass(Duration::from_micros(60));
    b.progress();
    world.pass(Duration::from_micros(60));
    take_everything(&world);
    ends_between(&world, &mut b, &mut a, receive, (4, 6));
}
