//! What the pair of fake cards promises.

use std::time::Duration;

use mx_nic::fake::{self, FakeNic, Faults, RECEIVE_SLOTS, TRANSMIT_SLOTS, Tally, Wire};
use mx_nic::{Armed, Fault, Fragment, LinkState, Nic, Token, TransmitError};

/// Sends numbered frames of 60 to 1059 bytes, taking in what arrives.
fn run(seed: u64, faults: Faults, frames: u32) -> (Tally, Vec<Vec<u8>>, FakeNic) {
    let (wire, mut left, mut right) = fake::pair(seed, faults);
    let mut came = Vec::new();
    for number in 0..frames {
        send(&mut left, &frame(number)).expect("there is room");
        left.completed(0, &mut [Token(0); 8]);
        wire.advance(wire.now() + Duration::from_micros(20));
        right.receive(0, 100, &mut |frame| came.push(frame.to_vec()));
    }
    wire.advance(wire.now() + Duration::from_secs(1));
    right.receive(0, 1000, &mut |frame| came.push(frame.to_vec()));
    (wire.tally(), came, right)
}

fn frame(number: u32) -> Vec<u8> {
    let mut frame = vec![number as u8; 60 + number as usize % 1000];
    frame[20..24].copy_from_slice(&number.to_le_bytes());
    frame
}

fn send(card: &mut FakeNic, frame: &[u8]) -> Result<(), TransmitError> {
    card.transmit(0, &[frame], &[], Token(1))?;
    card.flush(0);
    Ok(())
}

#[test]
fn a_good_wire_keeps_order_and_content() {
    let (tally, came, right) = run(3, Faults::NONE, 2000);
    let expected: Vec<Vec<u8>> = (0..2000).map(frame).collect();
    assert_eq!(came, expected);
    assert_eq!((tally.sent, tally.arrived), (2000, 2000));
    assert_eq!(right.statistics().received_frames, 2000);
}

#[test]
fn each_fault_happens_as_often_as_asked() {
    let none = Faults::NONE;
    let faults = [
        Faults { loss: 100, ..none },
        Faults {
            duplication: 100,
            ..none
        },
        Faults {
            reordering: 100,
            ..none
        },
        Faults {
            corruption: 100,
            ..none
        },
        Faults {
            truncation: 100,
            ..none
        },
    ];
    for faults in faults {
        let (tally, came, _) = run(11, faults, 10_000);
        let counts = [
            (tally.lost, faults.loss),
            (tally.duplicated, faults.duplication),
            (tally.reordered, faults.reordering),
            (tally.corrupted, faults.corruption),
            (tally.truncated, faults.truncation),
        ];
        for (count, asked) in counts {
            if asked == 0 {
                assert_eq!(count, 0, "{faults:?}");
            } else {
                assert!((800..1200).contains(&count), "{count} with {faults:?}");
            }
        }
        assert_eq!(came.len() as u64, 10_000 + tally.duplicated - tally.lost);
    }
}

#[test]
fn reordered_frames_arrive_whole_but_later() {
    let faults = Faults {
        reordering: 300,
        ..Faults::NONE
    };
    let (_, mut came, _) = run(5, faults, 1000);
    let sent: Vec<Vec<u8>> = (0..1000).map(frame).collect();
    assert_ne!(came, sent);
    came.sort_by_key(|frame| u32::from_le_bytes([frame[20], frame[21], frame[22], frame[23]]));
    assert_eq!(came, sent);
}

#[test]
fn the_same_seed_makes_the_same_mischief() {
    let faults = Faults {
        loss: 100,
        duplication: 100,
        reordering: 100,
        corruption: 100,
        truncation: 100,
        ..Faults::NONE
    };
    let (_, first, _) = run(42, faults, 500);
    let (_, second, _) = run(42, faults, 500);
    let (_, other, _) = run(43, faults, 500);
    assert_eq!(first, second);
    assert_ne!(first, other);
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
    assert_eq!(wire.tally().lost_without_link, 1);
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
