//! What the pair of fake cards promises.

use std::time::Duration;

use mx_nic::fake::{self, FakeNic, RECEIVE_SLOTS, TRANSMIT_SLOTS, Wire};
use mx_nic::{Armed, Fault, Fragment, LinkState, Nic, Token, TransmitError};
use mx_testnet::Faults;

fn send(card: &mut FakeNic, frame: &[u8]) -> Result<(), TransmitError> {
    card.transmit(0, &[frame], &[], Token(1))?;
    card.flush(0);
    Ok(())
}

#[test]
fn frames_of_all_lengths_arrive_whole_in_order_and_are_counted() {
    let (wire, mut left, mut right) = fake::pair(3, Faults::NONE);
    let frames: Vec<Vec<u8>> = (0..2000)
        .map(|number| vec![number as u8; 60 + number % 1000])
        .collect();
    let mut came = Vec::new();
    for frame in &frames {
        send(&mut left, frame).expect("there is room");
        left.completed(0, &mut [Token(0); 8]);
        wire.advance(wire.now() + Duration::from_micros(20));
        right.receive(0, 100, &mut |frame| came.push(frame.to_vec()));
    }
    assert_eq!(came, frames);
    assert_eq!(right.statistics().received_frames, 2000);
}

#[test]
fn the_wire_between_two_cards_has_the_faults_that_were_asked_for() {
    let (wire, mut left, mut right) = fake::pair(3, Faults::TENTH);
    for _ in 0..1000 {
        send(&mut left, &[0; 60]).expect("there is room");
        left.completed(0, &mut [Token(0); 8]);
        wire.advance(wire.now() + Duration::from_micros(20));
        right.receive(0, 100, &mut |_| ());
    }
    assert!((50..150).contains(&wire.tally().lost));
    wire.set_faults(Faults::CUT);
    let lost = wire.tally().lost;
    send(&mut left, &[0; 60]).expect("there is room");
    assert_eq!(wire.tally().lost, lost + 1);
}

#[test]
fn nothing_moves_before_its_time() {
    let (wire, mut left, mut right) = fake::pair(1, Faults::NONE);
    left.transmit(0, &[&[0; 60]], &[], Token(1)).expect("room");
    assert_eq!(wire.next_arrival(), None, "nothing leaves before a flush");
    left.flush(0);
    let arrival = wire.next_arrival().expect("a frame is on its way");
    wire.advance(arrival - Duration::from_nanos(1));
    assert_eq!(right.receive(0, 1, &mut |_| ()), 0);
    wire.advance(arrival);
    assert_eq!(right.receive(0, 1, &mut |_| ()), 1);
}

#[test]
fn a_full_card_says_so_until_tokens_are_taken() {
    let (_wire, mut left, _right) = fake::pair(1, Faults::NONE);
    for _ in 0..TRANSMIT_SLOTS {
        send(&mut left, &[0; 60]).expect("there is room");
    }
    assert_eq!(send(&mut left, &[0; 60]), Err(TransmitError::Full));
    assert_eq!(left.completed(0, &mut [Token(0)]), 1);
    assert_eq!(send(&mut left, &[0; 60]), Ok(()));
}

#[test]
fn a_slow_receiver_loses_what_does_not_fit() {
    let (wire, mut left, mut right) = fake::pair(1, Faults::NONE);
    for _ in 0..RECEIVE_SLOTS + 5 {
        send(&mut left, &[0; 60]).expect("there is room");
        left.completed(0, &mut [Token(0)]);
    }
    wire.advance(Duration::from_secs(1));
    assert_eq!(right.receive(0, usize::MAX, &mut |_| ()), RECEIVE_SLOTS);
    assert_eq!(wire.tally().overrun, 5);
}

#[test]
fn an_armed_card_interrupts_once() {
    let (wire, mut left, mut right): (Wire, FakeNic, FakeNic) = fake::pair(1, Faults::NONE);
    assert_eq!(right.arm(0), Armed::Quiet);
    for _ in 0..2 {
        send(&mut left, &[0; 60]).expect("there is room");
    }
    wire.advance(Duration::from_secs(1));
    assert_eq!(right.interrupts(), 1);
    assert_eq!(right.arm(0), Armed::WorkPending);
}

#[test]
fn a_wire_without_link_loses_everything() {
    let (wire, mut left, _right) = fake::pair(1, Faults::NONE);
    wire.set_link(LinkState::Down);
    assert_eq!(left.link(), LinkState::Down);
    send(&mut left, &[0; 60]).expect("there is room");
    assert_eq!(wire.lost_without_link(), 1);
    wire.set_link(LinkState::Up);
    send(&mut left, &[0; 60]).expect("there is room");
    assert!(wire.next_arrival().is_some());
}

#[test]
fn a_card_that_reads_memory_sends_fragments() {
    let (wire, left, mut right) = fake::pair(1, Faults::NONE);
    let mut left = left.reading(Box::new(|bus, part| part.fill(bus as u8)));
    let fragments = [Fragment { bus: 7, len: 100 }, Fragment { bus: 8, len: 50 }];
    left.transmit(0, &[&[1; 14], &[2; 4]], &fragments, Token(1))
        .expect("there is room");
    left.flush(0);
    wire.advance(Duration::from_secs(1));
    let expected = [vec![1; 14], vec![2; 4], vec![7; 100], vec![8; 50]].concat();
    assert_eq!(
        right.receive(0, 9, &mut |frame| assert_eq!(frame, expected)),
        1
    );
    let plain = right.transmit(0, &[&[1; 60]], &fragments, Token(1));
    assert_eq!(plain, Err(TransmitError::Unfit));
}

#[test]
fn a_failed_card_gives_its_tokens_back() {
    let (_wire, mut left, _right) = fake::pair(1, Faults::NONE);
    left.transmit(0, &[&[0; 60]], &[], Token(9)).expect("room");
    left.fail(Fault::NeedsReset);
    assert_eq!(left.fault(), Some(Fault::NeedsReset));
    assert_eq!(send(&mut left, &[0; 60]), Err(TransmitError::Stopped));
    let mut tokens = [Token(0); 2];
    assert_eq!(left.completed(0, &mut tokens), 1);
    assert_eq!(tokens[0], Token(9));
}
