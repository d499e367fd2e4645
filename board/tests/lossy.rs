//! Pulls over a wire that loses, doubles and reorders, in virtual time.

mod world;

use core::time::Duration;
use std::collections::BTreeMap;

use mx_board::{EndpointKey, Instant};
use mx_ring::{Command, Destination, Event};
use mx_wire::Format;
use world::*;

/// A number from 0 to 99 after each other, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn percent(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) % 100
    }
}

/// Two worlds and the frames under way between them, by the time of their arrival.
struct Wire {
    worlds: [World; 2],
    flying: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    dice: Dice,
    /// Percent of the frames that are lost, doubled, delayed.
    faults: u64,
    /// None is doubled or delayed.
    only_loses: bool,
    serial: u64,
}

impl Wire {
    fn new(format: Format, faults: u64, seed: u64) -> (Self, EndpointKey, EndpointKey) {
        let mut worlds = [World::new(format), World::new(format)];
        let a = worlds[0].board(NODE_A, "a:0");
        let b = worlds[1].board(NODE_B, "b:0");
        let (a, b) = (key(a, 0), key(b, 0));
        worlds[0].open(a, 0xa);
        worlds[1].open(b, 0xb);
        let wire = Self {
            worlds,
            flying: BTreeMap::new(),
            dice: Dice(seed),
            faults,
            only_loses: false,
            serial: 0,
        };
        (wire, a, b)
    }

    fn now(&self) -> Instant {
        self.worlds[0].now
    }

    /// Takes what both sides have sent, and decides its fate.
    fn launch(&mut self) {
        let now = self.now();
        for from in 0..2 {
            for frame in std::mem::take(&mut self.worlds[from].ports.sent) {
                if self.dice.percent() < self.faults {
                    continue;
                }
                let other = if self.only_loses { 0 } else { self.faults };
                let copies = 1 + usize::from(self.dice.percent() < other);
                for _ in 0..copies {
                    let late = self.dice.percent() < other;
                    let flight = Duration::from_micros(if late { 900 } else { 20 });
                    self.serial += 1;
                    self.flying
                        .insert((now + flight, self.serial), (1 - from, frame.clone()));
                }
            }
        }
    }

    /// To the next arrival or timer; false when there is none before `end`.
    fn step(&mut self, end: Instant) -> bool {
        for world in &mut self.worlds {
            world.settle();
        }
        self.launch();
        let arrival = self.flying.first_key_value().map(|((at, _), _)| *at);
        let timers = self
            .worlds
            .iter()
            .filter_map(|world| world.switch.deadline());
        let next = timers.chain(arrival).min().unwrap_or(end);
        if next >= end {
            return false;
        }
        let now = next.max(self.now());
        for world in &mut self.worlds {
            world.now = now;
        }
        while let Some(entry) = self.flying.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let (to, frame) = entry.remove();
            self.worlds[to].frame(&frame);
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

fn pull(length: u32, window_offset: u32) -> Command {
    Command::Pull {
        to: Destination {
            peer: 1,
            endpoint: 0,
            session: 0xa,
        },
        region: region(2),
        offset: 3,
        length,
        window: 1,
        window_seqnum: 23,
        window_offset,
        cookie: 5,
    }
}

/// Pulls `length` bytes.
fn transfer(format: Format, length: u32, window_offset: u32, faults: u64, seed: u64) {
    let (mut wire, a, b) = Wire::new(format, faults, seed);
    wire.meet();
    let bytes = pattern(length as usize + window_offset as usize);
    wire.worlds[0].expose(a, 1, 1, bytes.clone());
    wire.worlds[1].expose(b, 2, 2, vec![0xee; length as usize + 5]);
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
        matches!(events[..], [(Event::PullDone { cookie: 5, status: 0, transferred }, _)] if transferred == length),
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
            transfer(format, length, 0, 0, 1);
        }
        transfer(format, 300_000, 777, 0, 1);
        // Pieces of longer messages.
        transfer(format, 300_000, (1 << 20) + 777, 0, 1);
        transfer(format, 3_000_000, 4 << 20, 0, 1);
    }
}

#[test]
fn pulls_of_all_sizes_complete_under_loss_duplication_and_reordering_of_10_percent_each() {
    for format in formats() {
        for length in SIZES {
            for seed in 1..4 {
                transfer(format, length, 0, 10, seed);
            }
        }
        transfer(format, 300_000, 777, 10, 9);
        transfer(format, 300_000, (1 << 20) + 777, 10, 9);
    }
}

#[test]
fn a_perfect_wire_needs_no_frame_twice() {
    for format in formats() {
        let (mut wire, a, b) = Wire::new(format, 0, 1);
        wire.meet();
        wire.worlds[0].expose(a, 1, 1, pattern(1 << 20));
        wire.worlds[1].expose(b, 2, 2, vec![0; (1 << 20) + 5]);
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
        let (mut wire, a, b) = Wire::new(format, 0, 1);
        wire.meet();
        wire.worlds[0].expose(a, 1, 1, pattern(4 << 20));
        wire.worlds[1].expose(b, 2, 2, vec![0; (4 << 20) + 5]);
        wire.worlds[1].command(b, pull(4 << 20, 0)).unwrap();
        let start = wire.now();
        wire.faults = 10;
        // Only loses: doubled and late frames would count as sent twice.
        wire.only_loses = true;
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
    let mut all = Duration::ZERO;
    for seed in 0..20 {
        let (mut wire, _, _) = Wire::new(formats()[1], 30, seed);
        wire.only_loses = true;
        let start = wire.now();
        wire.meet();
        all += wire.now() - start;
    }
    // Of the beacons, a second apart, a third are lost too.
    assert!(all < Duration::from_secs(30), "{all:?} for 20 pairs");
}

#[test]
fn a_pull_from_a_board_that_has_gone_silent_ends_with_a_timeout_after_500_seconds() {
    let (mut wire, a, b) = Wire::new(formats()[1], 0, 1);
    wire.meet();
    wire.worlds[0].expose(a, 1, 1, pattern(1000));
    wire.worlds[1].expose(b, 2, 2, vec![0; 1005]);
    let now = wire.now();
    wire.worlds[0].switch.set_deaf(now, a.board, true);
    wire.worlds[1].command(b, pull(1000, 0)).unwrap();
    let end = now + Duration::from_secs(600);
    let mut ended = None;
    let mut at = now;
    while wire.step(end) {
        if let [(Event::PullDone { status, .. }, _)] = wire.worlds[1].ports.take(b)[..] {
            ended = Some((status, (at - now).as_secs()));
        }
        at = wire.now();
    }
    assert_eq!(ended, Some((6, 500)));
}

#[test]
fn a_pull_from_a_closed_endpoint_ends_with_the_nacks_reason() {
    let (mut wire, a, b) = Wire::new(formats()[1], 0, 1);
    wire.meet();
    wire.worlds[0]
        .switch
        .close_endpoint(Instant::default(), a)
        .unwrap();
    wire.worlds[1].expose(b, 2, 2, vec![0; 1005]);
    wire.worlds[1].command(b, pull(1000, 0)).unwrap();
    let end = wire.now() + Duration::from_millis(10);
    while wire.step(end) {}
    assert!(matches!(
        wire.worlds[1].ports.take(b)[..],
        [(
            Event::PullDone {
                status: 2,
                transferred: 0,
                ..
            },
            _
        )]
    ));
}
