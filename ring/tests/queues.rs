//! Queues keep order and lose nothing, over the wrap of their indices; a lie in a page costs the liar's endpoint.
#![cfg(not(loom))]

mod common;

use common::Endpoint;
use std::collections::VecDeque;

use mx_ring::{
    BackendSide, Command, CommandBody, DeliverError, Event, EventBody, Origin, Place, Positions,
    PullDone, PullStatus, Reach, RegionKey, Window,
};
use mx_wire::{Content, Medium, Message};
use proptest::prelude::*;

fn positions() -> impl Strategy<Value = Positions> {
    let near_the_end = (0_u32..200).prop_map(|below| u32::MAX - below);
    (
        prop_oneof![near_the_end.clone(), Just(0), any::<u32>()],
        near_the_end,
    )
        .prop_map(|(a, b)| Positions {
            command: a,
            unexpected: b,
            expected: a,
            receive: b / 64 * 64,
        })
}

fn payload_event(number: u16, length: u16, position: u32) -> Event {
    Event {
        from: Origin {
            peer: 0,
            endpoint: 0,
            local: false,
        },
        body: EventBody::Message(
            Message {
                seq: number,
                ack: 0,
                content: Content::Medium(Medium {
                    match_info: 0,
                    total: 0,
                    length,
                    fragment: 0,
                }),
            },
            Place::At(position),
        ),
    }
}

/// What either side does next.
#[derive(Clone, Debug)]
enum Step {
    Post,
    Take,
    PutBack,
    Sent(u32),
    Deliver,
    DeliverPayload(u16),
    DeliverExpected,
    Consume,
    ConsumeExpected,
    Publish,
    /// The backend dies, another one adopts the endpoint.
    Adopt(Cut),
}

/// What the dead backend had not written of its last event in either queue.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Nothing,
    Index,
    IndexAndHead,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Post),
        3 => Just(Step::Take),
        1 => Just(Step::PutBack),
        2 => (0_u32..8).prop_map(Step::Sent),
        2 => Just(Step::Deliver),
        3 => (0_u16..9001).prop_map(Step::DeliverPayload),
        2 => Just(Step::DeliverExpected),
        4 => Just(Step::Consume),
        2 => Just(Step::ConsumeExpected),
        1 => Just(Step::Publish),
        1 => prop_oneof![Just(Cut::Nothing), Just(Cut::Index), Just(Cut::IndexAndHead)].prop_map(Step::Adopt),
    ]
}

/// Words of page R0 for the last event of a queue: producer index and, in the unexpected queue, receive head.
const UNEXPECTED_WORDS: [usize; 2] = [128, 136];
const EXPECTED_WORDS: [usize; 1] = [132];

/// Words of a page with what they held before.
type Before = Vec<(usize, [u8; 4])>;

fn words(endpoint: &Endpoint, at: &[usize]) -> Before {
    let read = |at: &usize| {
        let mut word = [0; 4];
        endpoint.r.read(*at, &mut word).unwrap();
        (*at, word)
    };
    at.iter().map(read).collect()
}

/// A payload that the process has not released yet: where it lies in the ring, and its bytes.
struct Live {
    number: u16,
    payload: Option<Vec<u8>>,
}

/// Steps of a history at most; fewer for an interpreter.
const STEPS: usize = if cfg!(miri) { 60 } else { 600 };

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn queues_keep_order_and_lose_nothing_whichever_backend_serves_them(at in positions(), steps in prop::collection::vec(step(), 1..STEPS)) {
        let mut endpoint = Endpoint::at(at);
        let (mut posted, mut taken, mut sent) = (0_u32, 0_u32, 0_u32);
        let mut published = 0;
        let mut before = [Before::new(), Before::new()];
        let mut number = 0_u16;
        let mut unexpected: VecDeque<Live> = VecDeque::new();
        let mut expected = VecDeque::new();
        for step in steps {
            prop_assert_eq!(endpoint.process.event_waits(), !(unexpected.is_empty() && expected.is_empty()));
            match step {
                Step::Post => {
                    let room = posted - sent < 64;
                    prop_assert_eq!(endpoint.process.command_room(), 64 - (posted - sent));
                    prop_assert_eq!(endpoint.process.post(&Command::to_board(CommandBody::AbortPull { cookie: posted }), &posted.to_le_bytes()), room);
                    posted += u32::from(room);
                }
                Step::Take => {
                    prop_assert_eq!(endpoint.backend.command_waits(), taken < posted);
                    let command = endpoint.backend.next_command();
                    if taken < posted {
                        let index = at.command.wrapping_add(taken);
                        prop_assert_eq!(command, Some(Ok((index, Command::to_board(CommandBody::AbortPull { cookie: taken })))));
                        let mut data = [0; 4];
                        endpoint.backend.command_data(index, 4).unwrap().read(0, &mut data).unwrap();
                        prop_assert_eq!(data, taken.to_le_bytes());
                        taken += 1;
                    } else {
                        prop_assert_eq!(command, None);
                    }
                }
                Step::PutBack => if taken > published {
                    endpoint.backend.put_back();
                    taken -= 1;
                },
                Step::Sent(more) => {
                    sent = (sent + more).min(taken);
                    endpoint.backend.publish_commands(at.command.wrapping_add(sent));
                    published = taken;
                }
                Step::Adopt(cut) => {
                    let [unexpected, expected] = std::mem::take(&mut before);
                    let torn = match cut {
                        Cut::Nothing => Before::new(),
                        Cut::Index => unexpected.into_iter().take(1).chain(expected).collect(),
                        Cut::IndexAndHead => unexpected.into_iter().chain(expected).collect(),
                    };
                    for (at, word) in torn {
                        endpoint.r.write(at, &word).unwrap();
                    }
                    endpoint.backend = BackendSide::adopt(common::layout(), endpoint.w, endpoint.r).unwrap();
                    (taken, sent) = (published, published);
                }
                Step::Deliver => {
                    before[0] = words(&endpoint, &UNEXPECTED_WORDS);
                    if endpoint.backend.deliver(&payload_event(number, 0, 0)).is_ok() {
                        unexpected.push_back(Live { number, payload: None });
                        number += 1;
                    }
                }
                Step::DeliverPayload(length) => {
                    before[0] = words(&endpoint, &UNEXPECTED_WORDS);
                    let payload: Vec<u8> = (0..length).map(|i| i as u8 ^ number as u8).collect();
                    let delivered = endpoint.backend.deliver_payload(
                        length,
                        |place| place.write(0, &payload).unwrap(),
                        |position| payload_event(number, length, position),
                    );
                    if delivered.is_ok() {
                        unexpected.push_back(Live { number, payload: Some(payload) });
                        number += 1;
                    } else {
                        prop_assert_eq!(delivered, Err(DeliverError::NoRoom));
                    }
                }
                Step::DeliverExpected => {
                    before[1] = words(&endpoint, &EXPECTED_WORDS);
                    let event = Event::of_board(EventBody::PullDone(PullDone { cookie: number.into(), status: PullStatus::Done, transferred: 0 }));
                    if endpoint.backend.deliver_expected(&event).is_ok() {
                        expected.push_back(event);
                        number += 1;
                    }
                }
                Step::Consume => {
                    let event = endpoint.process.next_unexpected();
                    let Some(live) = unexpected.pop_front() else {
                        prop_assert_eq!(event, None);
                        continue;
                    };
                    let Some(Ok(Event { body: EventBody::Message(message, Place::At(position)), .. })) = event else {
                        return Err(TestCaseError::fail("the event is missing"));
                    };
                    let length = message.content.length();
                    prop_assert_eq!(message.seq, live.number);
                    if let Some(payload) = live.payload {
                        let mut bytes = vec![0; length.into()];
                        endpoint.process.read_receive(position, &mut bytes).unwrap();
                        prop_assert_eq!(bytes, payload);
                        endpoint.process.release_receive(position, length.into());
                    }
                }
                Step::ConsumeExpected => {
                    prop_assert_eq!(endpoint.process.next_expected(), expected.pop_front().map(Ok));
                }
                Step::Publish => endpoint.process.publish_consumed(),
            }
        }
        // What is left arrives too.
        for live in unexpected {
            let Some(Ok(event)) = endpoint.process.next_unexpected() else {
                return Err(TestCaseError::fail("an event was lost"));
            };
            prop_assert_eq!(event.message().map(|m| m.seq), Some(live.number));
        }
    }

    #[test]
    fn an_event_queue_takes_exactly_its_entries(at in positions()) {
        let mut endpoint = Endpoint::at(at);
        for number in 0..64 {
            prop_assert_eq!(endpoint.backend.deliver(&payload_event(number, 0, 0)), Ok(()));
        }
        prop_assert_eq!(endpoint.backend.deliver(&payload_event(64, 0, 0)), Err(DeliverError::NoRoom));
        let _ = endpoint.process.next_unexpected();
        prop_assert_eq!(endpoint.backend.deliver(&payload_event(64, 0, 0)), Err(DeliverError::NoRoom));
        endpoint.process.publish_consumed();
        prop_assert_eq!(endpoint.backend.deliver(&payload_event(64, 0, 0)), Ok(()));
    }

    #[test]
    fn consumer_indices_that_cannot_be_are_told_apart_from_full_queues(at in positions(), lie: u32) {
        let mut endpoint = Endpoint::at(at);
        for number in 0..3 {
            endpoint.backend.deliver(&payload_event(number, 0, 0)).unwrap();
        }
        // The word of the unexpected consumer in page W0.
        endpoint.w.write(64, &lie.to_le_bytes()).unwrap();
        let used = at.unexpected.wrapping_add(3).wrapping_sub(lie);
        let outcome = match used {
            0..64 => Ok(()),
            64 => Err(DeliverError::NoRoom),
            _ => Err(DeliverError::ImpossibleIndex),
        };
        prop_assert_eq!(endpoint.backend.deliver(&payload_event(3, 0, 0)), outcome);
    }

    #[test]
    fn a_receive_tail_that_lies_never_leads_out_of_the_ring(
        at in positions(),
        lies in prop::collection::vec((any::<u32>(), any::<u16>(), any::<bool>()), 1..12),
    ) {
        let mut endpoint = Endpoint::at(at);
        // Every word of page W0 that the backend reads for a payload, in turn.
        for (lie, length, near) in lies {
            let tail = if near { at.receive.wrapping_add(lie % 0x2_0000) } else { lie };
            endpoint.w.write(72, &tail.to_le_bytes()).unwrap();
            let mut filled = 0;
            let delivered = endpoint.backend.deliver_payload(
                length,
                |place| {
                    filled = place.len();
                    place.write(0, &vec![0xee; filled]).unwrap();
                },
                |position| payload_event(0, length, position),
            );
            // The event queue's own room ends after 64.
            if delivered.is_ok() {
                prop_assert_eq!(filled, usize::from(length));
            }
        }
        // Neither the index page nor a queue was written over by a payload.
        let mut status = [0; 4];
        endpoint.r.read(192, &mut status).unwrap();
        prop_assert_eq!(status, [0; 4]);
    }

    #[test]
    fn a_process_survives_an_r_area_of_any_bytes(at in positions(), seed: u64, position: u32, length in 0_usize..70_000) {
        let mut endpoint = Endpoint::at(at);
        endpoint.r.write(0, &common::noise(seed, 4096 * 2)).unwrap();
        for _ in 0..200 {
            let _ = endpoint.process.post(&Command::to_board(CommandBody::AbortPull { cookie: 0 }), &[]);
            let _ = endpoint.process.next_unexpected();
            let _ = endpoint.process.next_expected();
        }
        prop_assert!(endpoint.process.command_room() <= 64);
        let mut into = vec![0; length];
        let read = endpoint.process.read_receive(position, &mut into);
        prop_assert_eq!(read.is_ok(), (position % 65536) as usize + length <= 65536);
        endpoint.process.release_receive(position, u32::from(u16::MAX));
    }

    #[test]
    fn a_successor_survives_pages_of_any_bytes(at in positions(), seed: u64, laps in prop_oneof![Just(None), (0_u32..3).prop_map(Some)], length in 0_u16..9001) {
        let endpoint = Endpoint::at(at);
        endpoint.w.write(0, &common::noise(seed, endpoint.w.len())).unwrap();
        endpoint.r.write(0, &common::noise(!seed, endpoint.r.len())).unwrap();
        if let Some(lap) = laps {
            // Every event of a turn of the queue seems to be there.
            let first = lap << 6;
            endpoint.r.write(128, &first.to_le_bytes()).unwrap();
            for entry in 0..64 {
                endpoint.r.write(4096 + entry * 64 + 60, &(lap + 1).to_le_bytes()).unwrap();
            }
        }
        let mut successor = BackendSide::adopt(common::layout(), endpoint.w, endpoint.r).unwrap();
        for _ in 0..200 {
            let _ = successor.next_command();
            let _ = successor.deliver(&payload_event(0, 0, 0));
            let _ = successor.deliver_payload(length, |place| assert_eq!(place.len(), usize::from(length)), |position| payload_event(0, length, position));
            let _ = successor.deliver_expected(&payload_event(0, 0, 0));
        }
    }

    #[test]
    fn a_backend_survives_a_w_area_of_any_bytes(at in positions(), seed: u64, offset: u32, length: usize, id: u8) {
        let mut endpoint = Endpoint::at(at);
        endpoint.w.write(0, &common::noise(seed, 4096 * 3)).unwrap();
        for _ in 0..200 {
            let _ = endpoint.backend.next_command();
            let _ = endpoint.backend.window(id);
            let _ = endpoint.backend.deliver(&payload_event(0, 0, 0));
        }
        prop_assert_eq!(endpoint.backend.transmit(offset, length).is_ok(), (offset as usize).checked_add(length).is_some_and(|end| end <= 65536));
        prop_assert_eq!(endpoint.backend.command_data(offset, length).is_ok(), length <= 128);
    }
}

#[test]
fn a_payload_that_does_not_fit_before_the_wrap_starts_at_the_beginning() {
    let mut endpoint = Endpoint::at(Positions {
        receive: 0u32.wrapping_sub(128),
        ..Positions::default()
    });
    let mut at = None;
    endpoint
        .backend
        .deliver_payload(
            129,
            |place| place.write(0, &[7; 129]).unwrap(),
            |position| {
                at = Some(position);
                payload_event(0, 129, position)
            },
        )
        .unwrap();
    assert_eq!(at, Some(0));
}

/// The window's first word changes between the reader's two looks: a stand-in for the race that loom explores.
#[test]
fn a_window_that_was_bound_anew_shows_the_new_use_only() {
    let endpoint = Endpoint::at(Positions::default());
    let window = |n: u16| Window {
        region: RegionKey {
            slot: n,
            generation: n,
        },
        seqnum: n as u8,
        reach: Reach::Whole,
        offset: n.into(),
        length: n.into(),
    };
    for n in 0..300 {
        endpoint.process.bind_window(3, &window(n));
        assert_eq!(endpoint.backend.window(3), Some(window(n)));
    }
}

#[test]
fn an_area_that_starts_between_two_lines_is_no_endpoint() {
    let endpoint = Endpoint::at(Positions::default());
    let odd = endpoint.r.part(8, endpoint.r.len() - 8).unwrap();
    let smaller = endpoint.w.part(0, endpoint.w.len() - 64).unwrap();
    let layout = common::layout();
    assert!(BackendSide::new(layout, endpoint.w, odd).is_err());
    assert!(mx_ring::ProcessSide::new(layout, smaller, endpoint.r).is_err());
}
