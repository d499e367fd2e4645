//! Frames that lie in several buffers.

use mx_nic::virtio::Options;
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
fn mergeable_buffers_take_a_third_of_the_memory() {
    let pages = |features| {
        let before = grants();
        let device = Device::new(features, 256);
        let card = open_on(&device, &Options::default());
        assert!(card.is_ok());
        grants() - before
    };
    // A chunk of 3 pages for each of 256 buffers; 4 of 64 pages for all.
    assert_eq!(pages(BASIC) - pages(BASIC | F_MERGEABLE), 256 - 4);
}

#[test]
fn a_number_of_buffers_that_cannot_be_stops_the_card_and_shows_no_byte() {
    let cases = [
        (
            Some(0),
            0,
            100,
            Fault::Pieces {
                claimed: 0,
                came: 1,
            },
        ),
        (
            Some(2),
            0,
            100,
            Fault::Pieces {
                claimed: 2,
                came: 1,
            },
        ),
        (
            Some(u16::MAX),
            0,
            9014,
            Fault::Pieces {
                claimed: u16::MAX,
                came: 3,
            },
        ),
        (
            None,
            1,
            9014,
            Fault::Pieces {
                claimed: 3,
                came: 2,
            },
        ),
        (
            None,
            2,
            9014,
            Fault::Pieces {
                claimed: 3,
                came: 1,
            },
        ),
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
        device.borrow_mut().incoming.push_back(frame(1, len));
        device.borrow_mut().receive(1);
        assert_eq!(received(&mut card), [frame(1, len)]);
    }
}

#[test]
fn buffers_that_a_card_took_in_another_order_are_put_together() {
    let (mut card, device) = card(BASIC | F_MERGEABLE, 16);
    // The device swaps two buffers of the frame after it has filled them.
    device.borrow_mut().incoming.push_back(frame(5, 9014));
    device.borrow_mut().receive(1);
    let written = 9014 + 12 - 2 * 4096;
    let queue = &mut device.borrow_mut().queues[RECEIVE];
    queue.lie(None, 1, 2, written);
    queue.lie(None, 2, 1, 4096);
    let frames = received(&mut card);
    let whole = frame(5, 9014);
    let expected = [&whole[..4084], &whole[8180..], &whole[4084..8180]].concat();
    assert_eq!(frames, [expected]);
}
