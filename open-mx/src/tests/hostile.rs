//! A wire that breaks frames.

use std::time::Duration;

use mx_testnet::Faults;
use mx_wire::Format;

use super::world::{World, connected, finish_within, pattern};
use crate::endpoint::Buffer;

#[test]
fn frames_with_flipped_bits_or_missing_ends_break_nothing_and_hang_nothing() {
    let world = World::new(2, Format::native(9000).unwrap(), 21);
    let mut a = world.open(0, 0, 1, 1);
    let mut b = world.open(1, 0, 2, 1);
    let (to_b, _) = connected(&mut a, &mut b);
    world.net().wire.faults = Faults {
        corruption: 10,
        truncation: 10,
        ..Faults::NONE
    };
    let mut random = fastrand::Rng::with_seed(99);
    for i in 0..200 {
        let length = random.usize(..100_000);
        let buffer = Buffer::new(100_000).unwrap();
        let receive = b.receive(&buffer, 0, 0);
        a.send(to_b, &pattern(length, i), i, false);
        // What arrives may be wrong: a real card's frame check would have dropped it.
        finish_within(&mut b, &mut a, receive, Duration::from_secs(3));
    }
    world.net().wire.faults = Faults::NONE;
    let mut c = world.open(0, 5, 3, 1);
    let mut d = world.open(1, 5, 4, 1);
    let (to_d, _) = connected(&mut c, &mut d);
    let buffer = Buffer::new(100_000).unwrap();
    let receive = d.receive(&buffer, 0, 0);
    c.send(to_d, &pattern(100_000, 1), 1, false);
    let within = Duration::from_secs(3);
    assert!(finish_within(&mut d, &mut c, receive, within).is_some());
}
