//! Pulls over a wire that loses, doubles and reorders, in virtual time.

mod world;

use core::time::Duration;

use mx_board::{EndpointKey, Instant};
use mx_ring::{
    Command, CommandBody, Destination, Event, EventBody, PullDone, PullOrder, PullStatus,
};
use mx_testnet::{Faults, Network};
use mx_wire::{Format, NackCode};
use world::*;

/// Two worlds, and the network between them.
struct Wire {
    worlds: [World; 2],
    network: Network,
}

impl Wire {
    fn new(format: Format, faults: Faults, seed: u64) -> (Self, EndpointKey, EndpointKey) {
        let mut worlds = [World::new(format), World::new(format)];
        let a = worlds[0].board(NODE_A, "a:0");
        let b = worlds[1].board(NODE_B, "b:0");
        let (a, b) = (key(a, 0), key(b, 0));
        worlds[0].open(a, 0xa);
        worlds[1].open(b, 0xb);
        let network = Network::new(2, faults, seed);
        let wire = Self { worlds, network };
        (wire, a, b)
    }

    fn now(&self) -> Instant {
        self.worlds[0].now
    }

    /// To the next arrival or timer; false when there is none before `end`.
    fn step(&mut self, end: Instant) -> bool {
        self.network.advance(self.now() - Instant::default());
        for (port, world) in self.worlds.iter_mut().enumerate() {
            world.settle();
            for frame in std::mem::take(&mut world.ports.sent) {
                self.network.send(port, &frame);
            }
        }
        let arrival = self.network.next().map(|at| Instant::default() + at);
        let timers = self
            .worlds
            .iter()
            .filter_map(|world| world.switch.deadline());
        let next = timers.chain(arrival).min().unwrap_or(end);
        if next >= end {
            return false;
        }
        let now = next.max(self.now());
        self.network.advance(now - Instant::default());
        for (port, world) in self.worlds.iter_mut().enumerate() {
            world.now = now;
            while let Some(frame) = self.network.receive(port) {
                world.frame(&frame);
            }
        }
        true
    }

    /// Until both boards know each other, by name and index.
    fn meet(&mut self) {
        let end = second(60);
        while self.step(end) {
            let known = self.worlds.iter().all(|world| {
                let peers = world.switch.board(mx_board::BoardId(0)).unwrap().peers();
                peers.get(1).is_some_and(|peer| !peer.name().is_unknown())
            });
            if known {
                return;
            }
        }
        panic!("the boards did not find each other within a minute");
    }
}

/// So many frames of a hundred are lost, and nothing else happens to any.
fn only_loses(loss: u8) -> Faults {
    Faults {
        loss,
        ..Faults::NONE
    }
}

fn pull(length: u32, window_offset: u32) -> Command {
    Command {
        to: Destination {
            peer: 1,
            endpoint: 0,
            session: 0xa,
        },
        body: CommandBody::Pull(PullOrder {
            region: region(2),
            offset: 3,
            length,
            window: 1,
            window_seqnum: 23,
            window_offset,
            cookie: 5,
            backend: 0,
        }),
    }
}

/// Pulls `length` bytes.
fn transfer(format: Format, length: u32, window_offset: u32, faults: Faults, seed: u64) {
    let (mut wire, a, b) = Wire::new(format, faults, seed);
    wire.meet();
    let bytes = pattern(length as usize + window_offset as usize);
    wire.worlds[0].register(a, 1, 1, bytes.clone());
    wire.worlds[1].register(b, 2, 2, vec![0xee; length as usize + 5]);
    wire.worlds[1]
        .command(b, pull(length, window_offset))
        .unwrap();
    let start = wire.now();
    let end = start + Duration::from_secs(400);
    let events = loop {
        assert!(wire.step(end), "the pull of {length} bytes hangs");
        let events = wire.worlds[1].ports.take(b);
        if !events.is_empty() {
            break events;
        }
    };
    assert!(
        matches!(events[..], [(Event { body: EventBody::PullDone(PullDone { cookie: 5, status: PullStatus::Done, transferred }), .. }, _)] if transferred == length),
        "{events:?}"
    );
    let got = &wire.worlds[1].ports.regions[&(b, region(2))];
    assert!(got[3..3 + length as usize] == bytes[window_offset as usize..]);
    // Not a byte beside it.
    assert!(got[..3] == [0xee; 3] && got[3 + length as usize..] == [0xee; 2]);
    // The end is told once, whatever else still arrives.
    let until = wire.now() + Duration::from_secs(10);
    while wire.step(until) {}
    assert!(wire.worlds[1].ports.take(b).is_empty());
}

const SIZES: [u32; 8] = [1, 60, 1468, 8969, 32_769, 100_000, 1 << 20, 4 << 20];

#[test]
fn pulls_of_all_sizes_complete_at_once_on_a_perfect_wire() {
    for format in formats() {
        for length in SIZES {
            transfer(format, length, 0, Faults::NONE, 1);
        }
        transfer(format, 300_000, 777, Faults::NONE, 1);
        // Pieces of longer messages.
        transfer(format, 300_000, (1 << 20) + 777, Faults::NONE, 1);
        transfer(format, 3_000_000, 4 << 20, Faults::NONE, 1);
    }
}

#[test]
fn pulls_of_all_sizes_complete_under_loss_duplication_and_reordering_of_10_percent_each() {
    for format in formats() {
        for length in SIZES {
            for seed in 1..4 {
                transfer(format, length, 0, Faults::TENTH, seed);
            }
        }
        transfer(format, 300_000, 777, Faults::TENTH, 9);
        transfer(format, 300_000, (1 << 20) + 777, Faults::TENTH, 9);
    }
}

#[test]
fn a_perfect_wire_needs_no_frame_twice() {
    for format in formats() {
        let (mut wire, a, b) = Wire::new(format, Faults::NONE, 1);
        wire.meet();
        wire.worlds[0].register(a, 1, 1, pattern(1 << 20));
        wire.worlds[1].register(b, 2, 2, vec![0; (1 << 20) + 5]);
        wire.worlds[1].command(b, pull(1 << 20, 0)).unwrap();
        let end = wire.now() + Duration::from_millis(900);
        while wire.step(end) {}
        let frames = (1_u32 << 20).div_ceil(format.pull_reply().into());
        let blocks = frames.div_ceil(format.replies_per_block());
        let (from, to) = (&wire.worlds[0], &wire.worlds[1]);
        use mx_ring::Counter;
        assert_eq!(from.count(a.board, Counter::SendPullReply), frames);
        assert_eq!(to.count(b.board, Counter::RecvPullReply), frames);
        assert_eq!(to.count(b.board, Counter::SendPullRequest), blocks);
        assert_eq!(to.count(b.board, Counter::DropPullReplyDuplicate), 0);
    }
}

#[test]
fn what_is_lost_costs_little_time_and_few_frames_twice() {
    for format in formats() {
        let (mut wire, a, b) = Wire::new(format, Faults::NONE, 1);
        wire.meet();
        wire.worlds[0].register(a, 1, 1, pattern(4 << 20));
        wire.worlds[1].register(b, 2, 2, vec![0; (4 << 20) + 5]);
        wire.worlds[1].command(b, pull(4 << 20, 0)).unwrap();
        let start = wire.now();
        // Only loses: doubled and late frames would count as sent twice.
        wire.network.faults = only_loses(10);
        let end = start + Duration::from_secs(60);
        while wire.worlds[1].ports.take(b).is_empty() {
            assert!(wire.step(end), "the pull hangs");
        }
        let frames = (4_u32 << 20).div_ceil(format.pull_reply().into());
        use mx_ring::Counter;
        let sent = wire.worlds[0].count(a.board, Counter::SendPullReply);
        let twice = wire.worlds[1].count(b.board, Counter::DropPullReplyDuplicate);
        assert!(sent < frames * 5 / 4, "{sent} replies for {frames} frames");
        assert!(twice < frames / 20, "{twice} of {frames} frames came twice");
        let took = wire.now() - start;
        assert!(took < Duration::from_secs(6), "it took {took:?}");
    }
}

#[test]
fn names_are_known_soon_although_queries_are_lost() {
    const PAIRS: u64 = 200;
    let mut all = Duration::ZERO;
    for seed in 0..PAIRS {
        let (mut wire, _, _) = Wire::new(formats()[1], only_loses(30), seed);
        let start = wire.now();
        wire.meet();
        all += wire.now() - start;
    }
    // Of the beacons, a second apart, a third are lost too.
    let mean = all / PAIRS as u32;
    assert!(mean < Duration::from_millis(2500), "{mean:?} for a pair");
}

#[test]
fn a_pull_from_a_board_that_has_gone_silent_ends_with_a_timeout_after_500_seconds() {
    let (mut wire, a, b) = Wire::new(formats()[1], Faults::NONE, 1);
    wire.meet();
    wire.worlds[0].register(a, 1, 1, pattern(1000));
    wire.worlds[1].register(b, 2, 2, vec![0; 1005]);
    let now = wire.now();
    wire.worlds[0].switch.set_muted(now, a.board, true);
    wire.worlds[1].command(b, pull(1000, 0)).unwrap();
    let end = now + Duration::from_secs(600);
    let mut ended = None;
    let mut at = now;
    while wire.step(end) {
        if let [
            (
                Event {
                    body: EventBody::PullDone(PullDone { status, .. }),
                    ..
                },
                _,
            ),
        ] = wire.worlds[1].ports.take(b)[..]
        {
            ended = Some((status, (at - now).as_secs()));
        }
        at = wire.now();
    }
    assert_eq!(ended, Some((PullStatus::TimedOut, 500)));
}

#[test]
fn a_pull_from_a_closed_endpoint_ends_with_the_nacks_reason() {
    let (mut wire, a, b) = Wire::new(formats()[1], Faults::NONE, 1);
    wire.meet();
    wire.worlds[0]
        .switch
        .close_endpoint(Instant::default(), a)
        .unwrap();
    wire.worlds[1].register(b, 2, 2, vec![0; 1005]);
    wire.worlds[1].command(b, pull(1000, 0)).unwrap();
    let end = wire.now() + Duration::from_millis(10);
    while wire.step(end) {}
    assert!(matches!(
        wire.worlds[1].ports.take(b)[..],
        [(
            Event {
                body: EventBody::PullDone(PullDone {
                    status: PullStatus::Refused(NackCode::EndpointClosed),
                    transferred: 0,
                    ..
                }),
                ..
            },
            _
        )]
    ));
}
