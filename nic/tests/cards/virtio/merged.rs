//! Frames that lie in several buffers.

use mx_nic::virtio::VirtioOptions;
use mx_nic::{Fault, Nic};

use super::{BASIC, Card, card, frame, open_on};
use crate::model::dma::grants;
use crate::model::virtio::{Device, F_MERGEABLE, Lie, RECEIVE};

fn received(card: &mut Card) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    card.receive(0, 1000, &mut |frame| frames.push(frame.to_vec()));
    frames
}

#[test]
fn frames_of_all_lengths_come_in_whole_past_the_end_of_chunks_and_ring() {
    for size in [8, 16, 256] {
        let (mut card, device) = card(BASIC | F_MERGEABLE, size);
        for number in 0..2000 {
            let coming = frame(number, 60 + (number as usize * 1009) % 8955);
            device.borrow_mut().incoming.push_back(coming.clone());
            assert_eq!(device.borrow_mut().receive(1), 1);
            assert_eq!(received(&mut card), [coming], "frame {number}");
        }
        assert_eq!(card.statistics().received_frames, 2000);
    }
}

#[test]
fn a_frame_longer_than_agreed_is_dropped_and_counted_and_its_buffers_are_used_again() {
    let (mut card, device) = card(BASIC | F_MERGEABLE, 16);
    for number in 0..100 {
        let long = frame(number, if number % 2 == 0 { 9015 } else { 30_000 });
        let good = frame(number, 9014);
        device.borrow_mut().incoming = [long, good.clone()].into();
        device.borrow_mut().receive(2);
        assert_eq!(received(&mut card), [good]);
    }
    let statistics = card.statistics();
    assert_eq!(
        (statistics.received_long, statistics.received_frames),
        (100, 100)
    );
    assert_eq!(card.fault(), None);
}

#[test]
fn mergeable_buffers_take_less_memory() {
    let chunks = |features| {
        let before = grants();
        let device = Device::new(features, 256);
        let card = open_on(&device, &VirtioOptions::default());
        assert!(card.is_ok());
        grants() - before
    };
    // A chunk of 3 pages for each of 256 buffers, or 5 of 64 pages for all.
    assert_eq!(chunks(BASIC) - chunks(BASIC | F_MERGEABLE), 256 - 5);
}

#[test]
fn a_number_of_buffers_that_cannot_be_stops_the_card_and_shows_no_byte() {
    let lie = |claimed, came| Fault::Pieces { claimed, came };
    let cases = [
        (Some(0), 0, 100, lie(0, 1)),
        (Some(2), 0, 100, lie(2, 1)),
        (Some(u16::MAX), 0, 9014, lie(u16::MAX, 2)),
        (None, 1, 9014, lie(2, 1)),
        (None, 1, 30_000, lie(7, 6)),
    ];
    for (pieces, withheld, len, fault) in cases {
        let (mut card, device) = card(BASIC | F_MERGEABLE, 16);
        device.borrow_mut().faults.lie = Lie {
            pieces,
            withheld,
            written: None,
        };
        device.borrow_mut().incoming.push_back(frame(0, len));
        device.borrow_mut().receive(1);
        assert_eq!(received(&mut card), Vec::<Vec<u8>>::new());
        assert_eq!(card.fault(), Some(fault));
        device.borrow_mut().faults.lie = Lie::default();
        card.recover().expect("it comes back");
        device.borrow_mut().incoming.clear();
        device.borrow_mut().incoming.push_back(frame(1, 9014));
        device.borrow_mut().receive(1);
        assert_eq!(received(&mut card), [frame(1, 9014)]);
    }
}

#[test]
fn buffers_that_a_card_took_in_another_order_are_put_together() {
    let (mut card, device) = card(BASIC | F_MERGEABLE, 16);
    let whole = frame(5, 9014);
    device.borrow_mut().incoming.push_back(whole.clone());
    device.borrow_mut().receive(1);
    // The first buffer has 4544 bytes with the header; the rest, it says, is in the third, where nothing is.
    let first = 4544 - 12;
    let rest = 9014 - first;
    device.borrow_mut().queues[RECEIVE].lie(None, 1, 2, rest as u32);
    let expected = [&whole[..first], &vec![0; rest]].concat();
    assert_eq!(received(&mut card), [expected]);
}
