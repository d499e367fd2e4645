//! A card that is reset and set up again.

use std::time::Duration;

use mx_nic::{Fault, LinkState, Nic, OpenError, Token, TransmitError};

use super::{BASIC, Card, KINDS, card, frame, tokens};
use crate::model::virtio::{F_INDIRECT, F_STATUS};

fn send(card: &mut Card, number: u64) {
    card.transmit(0, &[&frame(number, 60)], &[], Token(number))
        .expect("room");
    card.flush(0);
}

#[test]
fn frames_in_flight_come_back_in_order_and_new_ones_go_out_behind_them() {
    for kind in KINDS {
        let (mut card, device) = card(kind, 256);
        let mut next = 0;
        let mut back = 0;
        for round in 0..50 {
            for _ in 0..20 {
                send(&mut card, next);
                next += 1;
            }
            // Some have left, some have not, and of those that have, some tokens were taken.
            device.borrow_mut().transmit(round % 20);
            let mut some = [Token(0); 3];
            let count = card.completed(0, &mut some);
            for token in &some[..count] {
                assert_eq!(*token, Token(back));
                back += 1;
            }
            card.recover().expect("it comes back");
            device.borrow_mut().sent.clear();
            send(&mut card, next);
            next += 1;
            assert_eq!(device.borrow_mut().transmit(10), 1);
            for token in tokens(&mut card) {
                assert_eq!(token, Token(back));
                back += 1;
            }
            assert_eq!(back, next);
        }
    }
}

#[test]
fn a_full_ring_that_comes_back_has_no_room_until_its_tokens_were_taken() {
    let (mut card, _) = card(BASIC | F_INDIRECT, 16);
    (0..16).for_each(|number| send(&mut card, number));
    card.recover().expect("it comes back");
    let full = card.transmit(0, &[&frame(0, 60)], &[], Token(99));
    assert_eq!(full, Err(TransmitError::Full));
    assert_eq!(tokens(&mut card).len(), 16);
    send(&mut card, 99);
}

#[test]
fn a_queue_that_stands_still_is_a_hang_only_with_a_link_and_only_after_a_while() {
    let (mut card, device) = card(BASIC | F_INDIRECT, 16);
    device.borrow_mut().faults.hung = true;
    send(&mut card, 0);
    device.borrow_mut().set_link(false);
    for second in 0..100 {
        assert_eq!(card.health(Duration::from_secs(second)), Ok(()));
    }
    device.borrow_mut().set_link(true);
    for second in 100..110 {
        assert_eq!(card.health(Duration::from_secs(second)), Ok(()));
    }
    // It moved, a little.
    device.borrow_mut().faults.hung = false;
    send(&mut card, 1);
    device.borrow_mut().transmit(1);
    device.borrow_mut().faults.hung = true;
    for second in 110..120 {
        assert_eq!(card.health(Duration::from_secs(second)), Ok(()));
    }
    assert_eq!(card.health(Duration::from_secs(120)), Err(Fault::Hung));
    assert_eq!(card.link(), LinkState::Down);
}

#[test]
fn an_idle_card_never_hangs() {
    let (mut card, device) = card(BASIC | F_INDIRECT, 16);
    send(&mut card, 0);
    device.borrow_mut().transmit(1);
    for second in 0..1000 {
        assert_eq!(card.health(Duration::from_secs(second)), Ok(()));
    }
    assert_eq!(tokens(&mut card), [Token(0)]);
}

#[test]
fn a_card_that_changed_behind_its_reset_is_not_used() {
    let (mut card, device) = card(BASIC | F_INDIRECT, 16);
    send(&mut card, 0);
    device.borrow_mut().offered &= !F_STATUS;
    assert_eq!(card.recover(), Err(OpenError::Negotiation));
    assert_eq!(card.fault(), Some(Fault::NeedsReset));
    assert_eq!(tokens(&mut card), [Token(0)]);
    device.borrow_mut().offered |= F_STATUS;
    card.recover().expect("it comes back");
}

#[test]
fn a_dropped_or_stopped_card_accesses_no_memory() {
    let (mut card, device) = card(BASIC, 16);
    send(&mut card, 0);
    device.borrow_mut().incoming.push_back(frame(0, 60));
    device.borrow_mut().status |= 64;
    assert_eq!(card.health(Duration::ZERO), Err(Fault::NeedsReset));
    let before = device.borrow().dma;
    device.borrow_mut().transmit(10);
    device.borrow_mut().receive(10);
    drop(card);
    device.borrow_mut().transmit(10);
    device.borrow_mut().receive(10);
    assert_eq!(device.borrow().dma, before);
}
