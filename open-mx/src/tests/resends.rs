//! When an application that was away, or that is flooded, sends messages again.

use std::time::Duration;

use mx_engine::{Code, FrameKind, Selection};
use mx_testnet::Faults;
use mx_wire::Format;

use super::world::{Station, World, connected};

const MS: Duration = Duration::from_millis(1);

#[test]
fn an_application_that_was_away_reads_what_came_before_it_judges_what_did_not() {
    let world = World::new(2, Format::native(9000).unwrap(), 7);
    let mut a = world.open(0, 0, 0xa, 7);
    let mut b = world.open(1, 3, 0xb, 7);
    let (to_b, to_a) = connected(&mut a, &mut b);
    // The acknowledgement comes behind more events than are taken at once.
    for info in 0..600 {
        b.send(to_a, b"news", info, false);
        if info % 200 == 199 {
            world.pass(3 * MS);
        }
    }
    a.send(to_b, b"heard?", 0, false);
    for _ in 0..2 {
        world.pass(20 * MS);
        b.progress();
    }
    world.pass(20 * MS);
    world.skip(10_000 * MS);
    while !a.state.engine.settled() {
        a.progress();
    }
    assert_eq!(
        a.state
            .engine
            .probe(&Selection::new(599, u64::MAX))
            .map(|p| p.code),
        Some(Code::Success)
    );
    for kind in FrameKind::ALL {
        assert_eq!(
            a.state.engine.counts().resent.of(kind),
            0,
            "{}",
            kind.name()
        );
    }
}

#[test]
fn a_flood_of_events_does_not_keep_messages_from_being_sent_again() {
    let world = World::new(2, Format::native(9000).unwrap(), 7);
    let mut a = world.open(0, 0, 0xa, 7);
    let mut b = world.open(1, 3, 0xb, 7);
    let (to_b, to_a) = connected(&mut a, &mut b);
    world.net().wire.faults = Faults::CUT;
    a.send(to_b, b"lost", 0, false);
    world.pass(MS);
    world.net().wire.faults = Faults::NONE;
    let resent = |a: &Station| a.state.engine.counts().resent.of(FrameKind::Tiny);
    for round in 0..40 {
        // Always more than one round takes, and none of it answers.
        for info in 0..300 {
            b.send(to_a, b"flood", info, false);
        }
        world.pass(100 * MS);
        a.progress();
        b.state.engine.set_now(world.net().now);
        if resent(&a) > 0 {
            return;
        }
        assert!(round < 39, "never sent again");
    }
}
