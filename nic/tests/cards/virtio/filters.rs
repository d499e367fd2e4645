//! Whose frames come in.

use mx_nic::{Fault, MacAddress, Nic, Reception};

use super::{BASIC, Card, card, frame};
use crate::model::virtio::{Device, F_CTRL_RX, MAC};

fn many(count: u16) -> Vec<MacAddress> {
    (0..count)
        .map(|number| [2, 0, 0, 0, (number >> 8) as u8, number as u8])
        .collect()
}

fn groups(count: u8) -> Vec<MacAddress> {
    (0..count)
        .map(|number| [1, 0, 0x5e, 0, 0, number])
        .collect()
}

/// Whether a frame to that address comes in.
fn takes(card: &mut Card, device: &std::cell::RefCell<Device>, to: MacAddress) -> bool {
    let mut coming = frame(0, 60);
    coming[..6].copy_from_slice(&to);
    device.borrow_mut().incoming.push_back(coming);
    device.borrow_mut().receive(1);
    card.receive(0, 10, &mut |_| ()) == 1
}

const STRANGER: MacAddress = [2, 9, 9, 9, 9, 9];
const STRANGE_GROUP: MacAddress = [1, 9, 9, 9, 9, 9];

#[test]
fn a_frame_to_an_address_that_is_not_in_the_table_is_dropped_by_the_card() {
    let (mut card, device) = card(BASIC, 16);
    assert!(takes(&mut card, &device, STRANGER));
    assert_eq!(card.set_addresses(&many(48), &groups(16)), Reception::Named);
    for to in [many(48)[0], many(48)[47], groups(16)[15], MAC, [0xff; 6]] {
        assert!(takes(&mut card, &device, to), "{to:x?}");
    }
    for to in [STRANGER, many(49)[48], STRANGE_GROUP] {
        assert!(!takes(&mut card, &device, to), "{to:x?}");
    }
    assert_eq!(card.set_addresses(&[], &[]), Reception::Named);
    assert!(!takes(&mut card, &device, many(1)[0]));
}

#[test]
fn beyond_the_table_everything_comes_in() {
    let (mut card, device) = card(BASIC, 16);
    card.set_addresses(&many(2), &[]);
    assert_eq!(card.set_addresses(&many(49), &[]), Reception::All);
    assert!(takes(&mut card, &device, STRANGER));
    assert_eq!(card.set_addresses(&many(2), &groups(17)), Reception::Named);
    assert!(takes(&mut card, &device, STRANGE_GROUP));
    assert!(!takes(&mut card, &device, STRANGER));
    assert_eq!(card.set_addresses(&many(2), &groups(1)), Reception::Named);
    assert!(!takes(&mut card, &device, STRANGE_GROUP));
}

#[test]
fn a_card_that_refuses_a_table_takes_everything() {
    let (mut card, device) = card(BASIC, 16);
    for answer in [1, 2, 0xff] {
        device.borrow_mut().faults.answer = Some(answer);
        assert_eq!(card.set_addresses(&many(2), &[]), Reception::All);
        assert!(takes(&mut card, &device, STRANGER));
        assert_eq!(card.fault(), None);
    }
}

#[test]
fn a_card_without_filters_is_asked_for_none() {
    let (mut card, device) = card(BASIC & !F_CTRL_RX, 16);
    assert_eq!(card.capabilities().addresses, 0);
    assert_eq!(card.set_addresses(&many(2), &[]), Reception::All);
    assert!(takes(&mut card, &device, STRANGER));
}

#[test]
fn a_card_that_stops_answering_commands_is_stopped_and_can_be_recovered() {
    let (mut card, device) = card(BASIC, 16);
    device.borrow_mut().faults.silent = true;
    assert_eq!(card.set_addresses(&many(2), &[]), Reception::All);
    assert_eq!(card.fault(), Some(Fault::Silent));
    // It comes back, for frames alone, and is asked nothing more.
    card.recover().expect("it comes back");
    assert!(!card.capabilities().promiscuous);
    assert_eq!(card.set_addresses(&many(3), &[]), Reception::All);
    assert_eq!(card.fault(), None);
    // With its commands, it has its addresses again.
    device.borrow_mut().faults.silent = false;
    card.recover().expect("it comes back");
    assert_eq!(device.borrow().wanted.unicast, many(3));
    assert!(!takes(&mut card, &device, STRANGER));
}
