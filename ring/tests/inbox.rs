//! Inboxes: what neighbours put in comes out, and nothing that they do else.

mod common;

use common::Pages;
use mx_ring::inbox::{Inbox, LANES, Lane, SIZE, Sender};
use mx_ring::{Event, EventBody, Origin, Place, VolatileSlice};
use mx_wire::{Content, Eager, LibAck, Message};
use proptest::prelude::*;

/// Messages of a long test; an interpreter gets fewer.
const MANY: usize = if cfg!(miri) { 300 } else { 20_000 };
const ROUNDS: usize = if cfg!(miri) { 3 } else { 200 };

fn sender(endpoint: u8) -> Sender {
    Sender {
        endpoint,
        session: 0x5e55_1000 + u32::from(endpoint),
    }
}

fn claim(inbox: VolatileSlice, sender: Sender) -> Option<Lane> {
    Lane::claim(inbox, sender, 4711, |_| true).unwrap()
}

/// An event that only a number tells from others.
fn ack(number: u32) -> Event {
    Event {
        from: Origin::default(),
        body: EventBody::Ack(LibAck {
            ack: 0,
            ack_number: number,
        }),
    }
}

fn put(lane: &mut Lane, number: u32) -> bool {
    lane.put(0, |_| {}, |_| ack(number))
}

/// Puts a small message of these bytes in.
fn put_bytes(lane: &mut Lane, bytes: &[u8]) -> bool {
    let length = bytes.len() as u16;
    let message = Message {
        seq: 0,
        ack: 0,
        content: Content::Small(Eager {
            match_info: 0,
            length,
        }),
    };
    let fill = |place: &VolatileSlice| place.write(0, bytes).unwrap();
    lane.put(length, fill, |at| Event {
        from: Origin::default(),
        body: EventBody::Message(message, Place::At(at)),
    })
}

/// What is there: who sent it, and its number or its bytes.
fn taken(inbox: &mut Inbox) -> Vec<(u8, u32, Vec<u8>)> {
    let mut all = Vec::new();
    while inbox.has_news() {
        inbox.take(u32::MAX, |from, event, payload| {
            assert_eq!(from, sender(from.endpoint));
            let mut bytes = vec![0; payload.map_or(0, |payload| payload.len())];
            if let Some(payload) = payload {
                payload.read(0, &mut bytes).unwrap();
            }
            let number = match event.body {
                EventBody::Ack(ack) => ack.ack_number,
                _ => 0,
            };
            all.push((from.endpoint, number, bytes));
            true
        });
    }
    all
}

#[test]
fn what_neighbours_put_in_is_taken_whole_and_in_the_order_of_each() {
    let mut pages = Pages::new(SIZE);
    let memory = pages.slice();
    let mut inbox = Inbox::new(memory).unwrap();
    let mut lanes: Vec<Lane> = (0..3)
        .map(|it| claim(memory, sender(it)).unwrap())
        .collect();
    let mut rng = fastrand::Rng::with_seed(1);
    let mut expected: [Vec<Vec<u8>>; 3] = Default::default();
    let mut came = expected.clone();
    for _ in 0..MANY {
        let from = rng.usize(..3);
        let bytes: Vec<u8> = (0..rng.usize(1..100)).map(|_| rng.u8(..)).collect();
        assert!(put_bytes(&mut lanes[from], &bytes));
        expected[from].push(bytes);
        if rng.u8(..50) == 0 {
            for (from, _, bytes) in taken(&mut inbox) {
                came[usize::from(from)].push(bytes);
            }
        }
    }
    for (from, _, bytes) in taken(&mut inbox) {
        came[usize::from(from)].push(bytes);
    }
    assert!(came == expected);
}

#[test]
fn a_full_lane_takes_nothing_more_and_is_usable_once_it_was_emptied() {
    let mut pages = Pages::new(SIZE);
    let memory = pages.slice();
    let mut inbox = Inbox::new(memory).unwrap();
    let mut lane = claim(memory, sender(1)).unwrap();
    for round in 0..5 {
        let fit = (0..1000)
            .take_while(|number| put(&mut lane, *number))
            .count();
        assert_eq!(fit, 256, "round {round}");
        assert!(!lane.is_drained());
        assert_eq!(taken(&mut inbox).len(), fit);
        assert!(lane.is_drained());
    }
}

#[test]
fn a_reader_that_wants_no_more_finds_the_rest_later() {
    let mut pages = Pages::new(SIZE);
    let memory = pages.slice();
    let mut inbox = Inbox::new(memory).unwrap();
    let mut lane = claim(memory, sender(1)).unwrap();
    (0..100).for_each(|number| assert!(put(&mut lane, number)));
    for number in 0..100 {
        assert!(inbox.has_news());
        let count = inbox.take(u32::MAX, |_, event, _| {
            assert_eq!(*event, ack(number));
            false
        });
        assert_eq!(count, 1);
    }
    assert!(taken(&mut inbox).is_empty());
}

#[test]
fn a_flood_of_one_neighbour_leaves_others_their_turn() {
    let mut pages = Pages::new(SIZE);
    let memory = pages.slice();
    let mut inbox = Inbox::new(memory).unwrap();
    let (mut flood, mut other) = (
        claim(memory, sender(1)).unwrap(),
        claim(memory, sender(2)).unwrap(),
    );
    while put(&mut flood, 0) {}
    assert!(put(&mut other, 7));
    let mut before = 0;
    inbox.take(u32::MAX, |from, _, _| {
        before += u32::from(from == sender(1));
        from != sender(2)
    });
    assert!(before <= 64, "{before}");
}

#[test]
fn what_was_put_before_a_lane_was_let_go_of_is_taken_and_then_the_lane_is_anothers() {
    let mut pages = Pages::new(SIZE);
    let memory = pages.slice();
    let mut inbox = Inbox::new(memory).unwrap();
    let mut others: Vec<Lane> = (1..LANES as u8)
        .map(|it| claim(memory, sender(it)).unwrap())
        .collect();
    for round in 0..ROUNDS {
        let mut lane = claim(memory, sender(100)).unwrap();
        assert!(claim(memory, sender(101)).is_none(), "all lanes are taken");
        for number in 0..round {
            assert!(put_bytes(&mut lane, &[number as u8; 70]));
        }
        drop(lane);
        let came = taken(&mut inbox);
        assert_eq!(came.len(), round);
        assert!(
            came.iter()
                .all(|(from, _, bytes)| *from == 100 && bytes.len() == 70)
        );
    }
    assert!(put(&mut others[0], 1));
    assert_eq!(taken(&mut inbox), [(1, 1, vec![])]);
}

#[test]
fn lanes_of_processes_that_are_gone_become_free_and_no_others() {
    let mut pages = Pages::new(SIZE);
    let memory = pages.slice();
    let mut inbox = Inbox::new(memory).unwrap();
    let mut lives = Lane::claim(memory, sender(1), 1, |_| true)
        .unwrap()
        .unwrap();
    let mut gone = Lane::claim(memory, sender(2), 2, |_| true)
        .unwrap()
        .unwrap();
    assert!(put(&mut lives, 1) && put(&mut gone, 2));
    // Killed: it lets go of nothing.
    std::mem::forget(gone);
    inbox.expire(|pid| pid != 2);
    let mut came = taken(&mut inbox);
    came.sort();
    assert_eq!(
        came,
        [(1, 1, vec![]), (2, 2, vec![])],
        "its last words count"
    );
    let again = claim(memory, sender(3)).unwrap();
    assert!(put(&mut lives, 3));
    assert_eq!(taken(&mut inbox), [(1, 3, vec![])]);
    drop(again);
}

#[test]
fn a_sleeper_is_not_relied_upon_and_loses_nothing() {
    let mut pages = Pages::new(SIZE);
    let memory = pages.slice();
    let mut inbox = Inbox::new(memory).unwrap();
    let mut lane = claim(memory, sender(1)).unwrap();
    inbox.sleeps();
    assert!(!inbox.has_news());
    assert!(!put(&mut lane, 1), "the backend is to wake it");
    inbox.wakes();
    assert!(put(&mut lane, 2));
    assert_eq!(taken(&mut inbox), [(1, 2, vec![])]);
    assert!(!lane.is_closed());
    inbox.close();
    assert!(lane.is_closed());
}

#[test]
fn without_memory_there_is_no_lane() {
    let mut pages = Pages::new(SIZE);
    let none = Lane::claim(pages.slice(), sender(1), 1, |_| false).unwrap();
    assert!(none.is_none());
    let mut pages = Pages::new(SIZE - 4096);
    assert!(Lane::claim(pages.slice(), sender(1), 1, |_| true).is_err());
    assert!(Inbox::new(pages.slice()).is_err());
}

/// Bytes that a neighbour, or the owner, scatters over an inbox.
fn scattered() -> impl Strategy<Value = Vec<(usize, u64)>> {
    let at = prop_oneof![
        // Where words are that decide of something: those of the inbox, of records and of the first lanes.
        3 => 0..16_usize,
        3 => (4096 / 8)..(4096 / 8 + 32_usize),
        2 => (8192 / 8)..(SIZE / 8),
    ];
    let value = prop_oneof![any::<u64>(), 0..8_u64, Just(u64::MAX)];
    proptest::collection::vec((at, value), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn whatever_stands_in_an_inbox_its_owner_and_its_neighbours_go_on(
        steps in proptest::collection::vec((0..4_u8, scattered()), 1..12),
    ) {
        let mut pages = Pages::new(SIZE);
        let memory = pages.slice();
        let mut inbox = Inbox::new(memory).unwrap();
        let mut lane = claim(memory, sender(1));
        for (step, bytes) in steps {
            for (at, value) in bytes {
                memory.write(at * 8, &value.to_le_bytes()).unwrap();
            }
            match step {
                0 => {
                    if let Some(lane) = &mut lane {
                        put(lane, 1);
                        put_bytes(lane, &[1; 100]);
                        let _ = (lane.is_drained(), lane.is_closed());
                    }
                }
                1 => {
                    // Bounded, whatever the words say: the owner has other things to do.
                    let count = inbox.take(1000, |_, _, _| true);
                    prop_assert!(count <= 1000);
                }
                2 => inbox.expire(|pid| pid == 4711),
                _ => lane = claim(memory, sender(2)),
            }
        }
    }
}
