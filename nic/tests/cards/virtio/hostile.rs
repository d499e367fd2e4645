//! What the driver promises with a device that lies: a typed fault, a stopped card, every token back, nothing else.

use std::collections::BTreeSet;

use mx_nic::virtio::VirtioOptions;
use mx_nic::{Armed, Fault, LinkState, Nic, Token, TransmitError};
use proptest::prelude::*;

use super::{BASIC, Card, KINDS, card, frame, open_on, tokens};
use crate::model::dma::grants;
use crate::model::virtio::{F_INDIRECT, Lie, RECEIVE, TRANSMIT};

/// After a fault: nothing goes in, nothing comes out, and what was in flight is given back.
fn assert_stopped(card: &mut Card, fault: Fault, in_flight: &[Token]) {
    assert_eq!(card.fault(), Some(fault));
    let sent = card.transmit(0, &[&frame(0, 60)], &[], Token(99));
    assert_eq!(sent, Err(TransmitError::Stopped));
    card.flush(0);
    assert_eq!(card.receive(0, 10, &mut |_| panic!("no frame")), 0);
    assert_eq!(card.link(), LinkState::Down);
    let mut back = tokens(card);
    back.sort();
    assert_eq!(back, in_flight);
    assert_eq!(card.arm(0), Armed::Quiet);
}

fn send(card: &mut Card, numbers: std::ops::Range<u64>) -> Vec<Token> {
    let tokens: Vec<Token> = numbers.map(Token).collect();
    for &token in &tokens {
        card.transmit(0, &[&frame(token.0, 60)], &[], token)
            .expect("there is room");
    }
    card.flush(0);
    tokens
}

#[test]
fn more_used_than_given_stops_the_card() {
    for kind in KINDS {
        let (mut card, device) = card(kind, 16);
        let slots = card.capabilities().transmit_slots as u64;
        let sent = send(&mut card, 0..slots.min(2));
        device.borrow_mut().queues[TRANSMIT].lie(Some(3), 0, 0, 0);
        assert_eq!(tokens(&mut card), []);
        let given = sent.len() as u16;
        assert_stopped(&mut card, Fault::Index { claimed: 3, given }, &sent);
    }
}

#[test]
fn an_index_that_goes_back_stops_the_card() {
    let (mut card, device) = card(BASIC | F_INDIRECT, 16);
    send(&mut card, 0..2);
    device.borrow_mut().transmit(10);
    assert_eq!(tokens(&mut card).len(), 2);
    device.borrow_mut().queues[TRANSMIT].lie(Some(1), 0, 0, 0);
    assert_eq!(tokens(&mut card), []);
    let fault = Fault::Index {
        claimed: u16::MAX,
        given: 0,
    };
    assert_stopped(&mut card, fault, &[]);
}

#[test]
fn a_buffer_that_the_card_does_not_have_stops_it() {
    for id in [2, 15, 16, 0xffff, 0x1_0000, u32::MAX] {
        let (mut card, device) = card(BASIC | F_INDIRECT, 16);
        let sent = send(&mut card, 0..2);
        device.borrow_mut().queues[TRANSMIT].lie(Some(1), 0, id, 0);
        assert_eq!(tokens(&mut card), []);
        assert_stopped(&mut card, Fault::Buffer { id }, &sent);
    }
}

#[test]
fn a_buffer_given_back_twice_stops_the_card() {
    let (mut card, device) = card(BASIC | F_INDIRECT, 16);
    send(&mut card, 0..2);
    device.borrow_mut().queues[TRANSMIT].lie(None, 0, 1, 0);
    device.borrow_mut().queues[TRANSMIT].lie(Some(2), 1, 1, 0);
    assert_eq!(tokens(&mut card), [Token(1)]);
    assert_stopped(&mut card, Fault::Buffer { id: 1 }, &[Token(0)]);
}

#[test]
fn the_middle_of_a_chain_is_no_buffer() {
    let (mut card, device) = card(BASIC, 16);
    let sent = send(&mut card, 0..1);
    device.borrow_mut().queues[TRANSMIT].lie(Some(1), 0, 1, 0);
    assert_eq!(tokens(&mut card), []);
    assert_stopped(&mut card, Fault::Buffer { id: 1 }, &sent);
}

#[test]
fn an_impossible_length_stops_the_card_and_shows_no_byte() {
    for claimed in [0, 11, 9014 + 13, 12_288, u32::MAX] {
        let (mut card, device) = card(BASIC, 16);
        device.borrow_mut().queues[RECEIVE].lie(Some(1), 0, 0, claimed);
        assert_eq!(card.receive(0, 10, &mut |_| panic!("no frame")), 0);
        let fault = Fault::Length {
            claimed,
            size: 9026,
        };
        assert_stopped(&mut card, fault, &[]);
    }
}

#[test]
fn a_card_that_asks_for_a_reset_or_vanishes_is_stopped() {
    for (status, fault) in [(0x4f, Fault::NeedsReset), (0xff, Fault::Vanished)] {
        let (mut card, device) = card(BASIC | F_INDIRECT, 16);
        let sent = send(&mut card, 0..3);
        device.borrow_mut().status = status;
        assert_eq!(card.link(), LinkState::Down);
        assert_stopped(&mut card, fault, &sent);
    }
}

#[test]
fn pages_are_held_until_a_card_confirms_that_it_stopped() {
    let (mut card, device) = card(BASIC | F_INDIRECT, 16);
    let sent = send(&mut card, 0..3);
    device.borrow_mut().faults.stuck_in_reset = true;
    device.borrow_mut().queues[TRANSMIT].lie(Some(9), 0, 0, 0);
    assert_eq!(tokens(&mut card), []);
    assert_eq!(tokens(&mut card), []);
    device.borrow_mut().status = 0;
    assert_eq!(tokens(&mut card), sent);
}

#[test]
fn memory_of_a_card_that_was_not_stopped_is_never_used_again() {
    let before = grants();
    let (obedient, device) = card(BASIC, 16);
    let taken = grants() - before;
    assert_ne!(taken, 0);
    drop(obedient);
    assert_eq!(grants(), before, "an obedient card's is");
    let card = open_on(&device, &VirtioOptions::default()).expect("it opens");
    device.borrow_mut().faults.stuck_in_reset = true;
    drop(card);
    assert_eq!(grants(), before + taken);
}

/// Something that the driver's owner or the card does.
#[derive(Clone, Debug)]
enum Step {
    Send,
    Flush,
    Complete,
    Receive,
    Arm(bool),
    Link,
    DeviceWorks,
    Lie {
        queue: usize,
        index: Option<u16>,
        entry: u16,
        id: u32,
        written: u32,
    },
    Scribble {
        queue: usize,
        flags: u16,
        event: u16,
    },
    Status(u8),
    Configuration(usize, u8),
    /// What the card says of received frames: bytes, buffers, and how many of those it keeps.
    Describe(Option<u32>, Option<u16>, usize),
    /// How it answers commands, if it does.
    Answer(Option<u8>, bool),
    Addresses(usize, usize),
    Gone(bool),
    Recover,
}

/// Values near the ones that matter, and all others.
fn index() -> impl Strategy<Value = u16> {
    prop_oneof![0u16..20, any::<u16>(), (u16::MAX - 3)..=u16::MAX]
}

fn step() -> impl Strategy<Value = Step> {
    let length = prop_oneof![0u32..20, 9000u32..9040, any::<u32>()];
    let id = prop_oneof![0u32..20, any::<u32>()];
    let lie = (0usize..2, prop::option::of(index()), 0u16..16, id, length);
    prop_oneof![
        4 => Just(Step::Send),
        2 => Just(Step::Flush),
        3 => Just(Step::Complete),
        3 => Just(Step::Receive),
        1 => any::<bool>().prop_map(Step::Arm),
        1 => Just(Step::Link),
        3 => Just(Step::DeviceWorks),
        2 => lie.prop_map(|(queue, index, entry, id, written)| {
            Step::Lie { queue, index, entry, id, written }
        }),
        1 => (0usize..2, index(), index())
            .prop_map(|(queue, flags, event)| Step::Scribble { queue, flags, event }),
        1 => any::<u8>().prop_map(Step::Status),
        1 => (0usize..12, any::<u8>()).prop_map(|(at, value)| Step::Configuration(at, value)),
        1 => (prop::option::of(any::<u32>()), prop::option::of(0u16..40), 0usize..3)
            .prop_map(|(written, pieces, withheld)| Step::Describe(written, pieces, withheld)),
        1 => (prop::option::of(any::<u8>()), prop::bool::weighted(0.1))
            .prop_map(|(answer, silent)| Step::Answer(answer, silent)),
        1 => (0usize..60, 0usize..30).prop_map(|(one, many)| Step::Addresses(one, many)),
        1 => prop::bool::weighted(0.2).prop_map(Step::Gone),
        2 => Just(Step::Recover),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever the card writes, wherever it may: every call returns, no token comes back twice, no frame is longer
    /// than agreed, and a stopped card gives all tokens back.
    #[test]
    fn no_lie_reaches_memory_or_loses_a_token(
        kind in prop::sample::select(&KINDS[..]),
        steps in prop::collection::vec(step(), 1..100),
    ) {
        let (mut card, device) = card(kind, 16);
        let mut out = BTreeSet::new();
        let mut number = 0;
        for step in steps {
            match step {
                Step::Send => {
                    if card.transmit(0, &[&frame(number, 60)], &[], Token(number)).is_ok() {
                        out.insert(Token(number));
                    }
                    number += 1;
                }
                Step::Flush => card.flush(0),
                Step::Complete => {
                    for token in tokens(&mut card) {
                        prop_assert!(out.remove(&token), "{:?} came back twice", token);
                    }
                }
                Step::Receive => {
                    card.receive(0, 64, &mut |frame| assert!((14..=9014).contains(&frame.len())));
                }
                Step::Arm(true) => {
                    card.arm(0);
                }
                Step::Arm(false) => card.disarm(0),
                Step::Link => {
                    card.link();
                }
                Step::DeviceWorks => {
                    if card.fault().is_none() {
                        let mut device = device.borrow_mut();
                        device.transmit(3);
                        device.incoming.push_back(frame(number, 100 + number as usize % 3 * 4000));
                        device.receive(3);
                    }
                }
                Step::Lie { queue, index, entry, id, written } => {
                    if card.fault().is_none() {
                        device.borrow_mut().queues[queue].lie(index, entry, id, written);
                    }
                }
                Step::Scribble { queue, flags, event } => {
                    if card.fault().is_none() {
                        device.borrow().queues[queue].scribble_doorbell_wishes(flags, event);
                    }
                }
                Step::Status(status) => {
                    // A status without DRIVER_OK would stop the model's honest half.
                    if card.fault().is_none() {
                        device.borrow_mut().status = status | 4;
                    }
                }
                Step::Configuration(at, value) => device.borrow_mut().configuration[at] = value,
                Step::Describe(written, pieces, withheld) => {
                    let lie = Lie { written, pieces, withheld };
                    device.borrow_mut().faults.lie = lie;
                }
                Step::Answer(answer, silent) => {
                    let faults = &mut device.borrow_mut().faults;
                    (faults.answer, faults.silent) = (answer, silent);
                }
                Step::Addresses(one, many) => {
                    card.set_addresses(&vec![[2; 6]; one], &vec![[3; 6]; many]);
                }
                Step::Gone(gone) => device.borrow_mut().faults.gone = gone,
                Step::Recover => {
                    let _ = card.recover();
                }
            }
        }
        // In the end the card is well again, and everything has come back.
        device.borrow_mut().faults = Default::default();
        prop_assert_eq!(card.recover(), Ok(()));
        prop_assert_eq!(card.fault(), None);
        for token in tokens(&mut card) {
            prop_assert!(out.remove(&token), "{:?} came back twice", token);
        }
        prop_assert!(out.is_empty(), "lost: {:?}", out);
    }
}
