//! What the driver promises with a device that lies: a typed fault, a stopped card, every token back, nothing else.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use mx_nic::dma::DmaMemory;
use mx_nic::virtio::{Options, open};
use mx_nic::{Armed, Fault, HeapPlatform, LinkState, Nic, Platform, Token, TransmitError};
use proptest::prelude::*;

use crate::device::{
    Device, F_INDIRECT, RECEIVE, Registers, TRANSMIT, lie, scribble_doorbell_wishes,
};
use crate::{BASIC, Card, KINDS, card, frame, tokens};

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
        lie(&device.borrow().queues[TRANSMIT], Some(3), 0, 0, 0);
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
    lie(&device.borrow().queues[TRANSMIT], Some(1), 0, 0, 0);
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
        lie(&device.borrow().queues[TRANSMIT], Some(1), 0, id, 0);
        assert_eq!(tokens(&mut card), []);
        assert_stopped(&mut card, Fault::Buffer { id }, &sent);
    }
}

#[test]
fn a_buffer_given_back_twice_stops_the_card() {
    let (mut card, device) = card(BASIC | F_INDIRECT, 16);
    send(&mut card, 0..2);
    lie(&device.borrow().queues[TRANSMIT], None, 0, 1, 0);
    lie(&device.borrow().queues[TRANSMIT], Some(2), 1, 1, 0);
    assert_eq!(tokens(&mut card), [Token(1)]);
    assert_stopped(&mut card, Fault::Buffer { id: 1 }, &[Token(0)]);
}

#[test]
fn the_middle_of_a_chain_is_no_buffer() {
    let (mut card, device) = card(BASIC, 16);
    let sent = send(&mut card, 0..1);
    lie(&device.borrow().queues[TRANSMIT], Some(1), 0, 1, 0);
    assert_eq!(tokens(&mut card), []);
    assert_stopped(&mut card, Fault::Buffer { id: 1 }, &sent);
}

#[test]
fn an_impossible_length_stops_the_card_and_shows_no_byte() {
    for claimed in [0, 11, 9014 + 13, 12_288, u32::MAX] {
        let (mut card, device) = card(BASIC, 16);
        lie(&device.borrow().queues[RECEIVE], Some(1), 0, 0, claimed);
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
    device.borrow_mut().obeys_reset = false;
    lie(&device.borrow().queues[TRANSMIT], Some(9), 0, 0, 0);
    assert_eq!(tokens(&mut card), []);
    assert_eq!(tokens(&mut card), []);
    device.borrow_mut().status = 0;
    assert_eq!(tokens(&mut card), sent);
}

/// Chunks of memory that were taken and not given back.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// A heap that counts.
struct CountingPlatform;

impl Platform for CountingPlatform {
    fn allocate(&self, pages: usize) -> Option<DmaMemory> {
        let memory = HeapPlatform.allocate(pages)?;
        let bus = memory.bus(0);
        // The pages themselves stay: whether they would be given back is what is asked.
        std::mem::forget(memory);
        HELD.fetch_add(1, Ordering::Relaxed);
        let base = std::ptr::with_exposed_provenance_mut(bus as usize);
        let base = std::ptr::NonNull::new(base).expect("an address");
        // SAFETY: fresh pages of the heap, which nobody frees.
        Some(unsafe {
            DmaMemory::new(base, bus, pages, |_, _| {
                HELD.fetch_sub(1, Ordering::Relaxed);
            })
        })
    }

    fn registers(&self, _bus: u64, _bytes: usize) -> Option<mx_nic::Registers> {
        None
    }

    fn pause(&self, _microseconds: u32) {}
}

#[test]
fn memory_of_a_card_that_was_not_stopped_is_never_used_again() {
    let device = Device::new(BASIC, 16);
    let options = Options::default();
    let card = open(Registers(device.clone()), &CountingPlatform, &options).expect("it opens");
    let held = HELD.load(Ordering::Relaxed);
    assert_ne!(held, 0);
    drop(card);
    assert_eq!(HELD.load(Ordering::Relaxed), 0, "an obedient card's is");

    let card = open(Registers(device.clone()), &CountingPlatform, &options).expect("it opens");
    device.borrow_mut().obeys_reset = false;
    drop(card);
    assert_eq!(HELD.load(Ordering::Relaxed), held);
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
                        device.incoming.push_back(frame(number, 100));
                        device.receive(3);
                    }
                }
                Step::Lie { queue, index, entry, id, written } => {
                    if card.fault().is_none() {
                        let queue = &mut device.borrow_mut().queues[queue];
                        queue.lied = true;
                        lie(queue, index, entry, id, written);
                    }
                }
                Step::Scribble { queue, flags, event } => {
                    if card.fault().is_none() {
                        scribble_doorbell_wishes(&device.borrow().queues[queue], flags, event);
                    }
                }
                Step::Status(status) => {
                    // A status without DRIVER_OK would stop the model's honest half.
                    device.borrow_mut().status = status | 4;
                }
                Step::Configuration(at, value) => device.borrow_mut().configuration[at] = value,
            }
        }
        if card.fault().is_some() {
            device.borrow_mut().status = 0;
            for token in tokens(&mut card) {
                prop_assert!(out.remove(&token), "{:?} came back twice", token);
            }
            prop_assert!(out.is_empty(), "lost: {:?}", out);
        }
    }
}
