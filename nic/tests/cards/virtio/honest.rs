//! What the driver promises with a device that keeps to the rules.

use mx_nic::virtio::VirtioOptions;
use mx_nic::{Armed, Fragment, LinkState, Nic, Token, TransmitError};
use proptest::prelude::*;

use super::{BASIC, KINDS, card, frame, open_on, tokens};
use crate::model::dma::Granted;
use crate::model::virtio::{Device, F_EVENT_INDEX, F_INDIRECT, RECEIVE, TRANSMIT};

/// Names parts of a buffer for the card, of that length but for the last one.
fn parts(buffer: &Granted, len: u32) -> Vec<Fragment> {
    let whole = buffer.fragment();
    (0..whole.len)
        .step_by(len as usize)
        .map(|at| Fragment {
            bus: whole.bus + u64::from(at),
            len: len.min(whole.len - at),
        })
        .collect()
}

#[test]
fn a_frame_of_head_and_fragments_arrives_whole() {
    for kind in KINDS {
        let (mut card, device) = card(kind, 256);
        let whole = frame(1, 9014);
        let (head, rest) = whole.split_at(46);
        let buffer = Granted::new(rest);
        let parts = parts(&buffer, 2500);
        let (first, second) = head.split_at(14);
        card.transmit(0, &[first, second], &parts, Token(7))
            .expect("there is room");
        card.flush(0);
        assert_eq!(device.borrow_mut().transmit(10), 1);
        assert_eq!(device.borrow().sent, [whole]);
        assert_eq!(tokens(&mut card), [Token(7)]);
        assert_eq!(tokens(&mut card), []);
    }
}

#[test]
fn the_longest_frame_comes_in_whole_and_a_longer_one_not_at_all() {
    for kind in KINDS {
        let (mut card, device) = card(kind, 256);
        let whole = frame(2, 9014);
        device.borrow_mut().incoming = [frame(1, 9015), whole.clone()].into();
        device.borrow_mut().receive(10);
        let mut seen = Vec::new();
        card.receive(0, 10, &mut |frame| seen.push(frame.to_vec()));
        assert_eq!(seen, [whole]);
        assert_eq!(card.fault(), None);
    }
}

#[test]
fn short_buffers_share_pages_and_no_byte() {
    let device = Device::new(BASIC, 16);
    let options = VirtioOptions {
        max_frame: 1514,
        ..VirtioOptions::default()
    };
    let mut card = open_on(&device, &options).expect("it opens");
    let frames: Vec<Vec<u8>> = (0..16).map(|number| frame(number, 1514)).collect();
    device.borrow_mut().incoming = frames.clone().into();
    assert_eq!(device.borrow_mut().receive(100), 16);
    let mut seen = Vec::new();
    card.receive(0, 100, &mut |frame| seen.push(frame.to_vec()));
    assert_eq!(seen, frames);
}

#[test]
fn a_burst_rings_one_doorbell() {
    for kind in KINDS {
        let (mut card, device) = card(kind, 256);
        let before = device.borrow().queues[TRANSMIT].doorbells;
        for number in 0..16 {
            card.transmit(0, &[&frame(number, 60)], &[], Token(number))
                .expect("there is room");
        }
        card.flush(0);
        card.flush(0);
        assert_eq!(device.borrow().queues[TRANSMIT].doorbells, before + 1);
    }
}

#[test]
fn a_card_at_work_is_not_told_of_more() {
    for kind in KINDS {
        let (mut card, device) = card(kind, 256);
        for number in 0..4 {
            card.transmit(0, &[&frame(number, 60)], &[], Token(number))
                .expect("there is room");
        }
        card.flush(0);
        // It has taken one of four and asks for no doorbell until it has seen all.
        device.borrow_mut().transmit(1);
        let before = device.borrow().queues[TRANSMIT].doorbells;
        card.transmit(0, &[&frame(4, 60)], &[], Token(4))
            .expect("there is room");
        card.flush(0);
        assert_eq!(device.borrow().queues[TRANSMIT].doorbells, before);
        assert_eq!(device.borrow_mut().transmit(10), 4);
    }
}

#[test]
fn with_tables_a_ring_of_256_carries_256_frames_of_six_pieces() {
    let (mut card, device) = card(BASIC | F_INDIRECT, 256);
    let payload = Granted::new(&frame(0, 5 * 1500));
    let parts = parts(&payload, 1500);
    for number in 0..256 {
        let sent = card.transmit(0, &[&frame(number, 60)], &parts, Token(number));
        assert_eq!(sent, Ok(()), "frame {number}");
    }
    let full = card.transmit(0, &[&frame(256, 60)], &parts, Token(256));
    assert_eq!(full, Err(TransmitError::Full));
    assert_eq!(card.statistics().transmit_full, 1);
    card.flush(0);
    assert_eq!(device.borrow_mut().transmit(1000), 256);
    let expected: Vec<Token> = (0..256).map(Token).collect();
    assert_eq!(tokens(&mut card), expected);
    assert_eq!(
        card.transmit(0, &[&frame(256, 60)], &parts, Token(256)),
        Ok(())
    );
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_no_trace() {
    let (mut card, device) = card(BASIC | F_INDIRECT, 256);
    let capabilities = card.capabilities();
    let bytes = frame(0, 4096);
    let buffer = Granted::new(&bytes);
    let part = buffer.fragment();
    let head = &bytes[..60];
    let too_many = vec![part; capabilities.max_fragments + 1];
    let cases: [(&[u8], &[Fragment]); 6] = [
        (&bytes[..59], &[]),
        (&bytes[..capabilities.max_head + 1], &[]),
        (head, &too_many),
        (head, &[part, part, part]),
        (head, &[Fragment { len: 0, ..part }]),
        (
            head,
            &[Fragment {
                bus: u64::MAX,
                ..part
            }],
        ),
    ];
    for (number, (head, fragments)) in cases.into_iter().enumerate() {
        let sent = card.transmit(0, &[head], fragments, Token(0));
        assert_eq!(sent, Err(TransmitError::Unfit), "case {number}");
    }
    let other_queue = card.transmit(1, &[head], &[], Token(0));
    assert_eq!(other_queue, Err(TransmitError::Unfit));
    card.flush(0);
    assert_eq!(device.borrow_mut().transmit(10), 0);
}

#[test]
fn frames_keep_their_order_while_all_indices_wrap() {
    for kind in KINDS {
        let (mut card, device) = card(kind, 64);
        let (mut sent, mut done, mut came) = (0u64, 0u64, 0u64);
        for _ in 0..10_000 {
            for _ in 0..7 {
                let taken = card.transmit(0, &[&frame(sent, 60)], &[], Token(sent));
                sent += u64::from(taken.is_ok());
            }
            card.flush(0);
            device.borrow_mut().transmit(1000);
            for token in tokens(&mut card) {
                assert_eq!(token, Token(done));
                done += 1;
            }
            let echo = std::mem::take(&mut device.borrow_mut().sent);
            device.borrow_mut().incoming.extend(echo);
            device.borrow_mut().receive(1000);
            card.receive(0, 1000, &mut |bytes| {
                assert_eq!(bytes, frame(came, 60));
                came += 1;
            });
        }
        assert_eq!((sent, done, came), (70_000, 70_000, 70_000));
    }
}

#[test]
fn whoever_armed_is_interrupted_and_nobody_else_even_where_indices_wrap() {
    for kind in KINDS {
        let (mut card, device) = card(kind, 16);
        let mut needless = 0;
        for number in 0..70_000u64 {
            let sleeps = number % 3 == 0;
            if sleeps {
                assert_eq!(card.arm(0), Armed::Quiet);
            } else {
                card.disarm(0);
            }
            let before = device.borrow().queues[RECEIVE].interrupts;
            device.borrow_mut().incoming.push_back(frame(number, 60));
            assert_eq!(device.borrow_mut().receive(1), 1);
            let came = device.borrow().queues[RECEIVE].interrupts - before;
            if sleeps {
                assert_eq!(came, 1, "frame {number}: a lost wake-up");
            } else {
                needless += came;
            }
            assert_eq!(card.receive(0, 16, &mut |_| ()), 1);
        }
        assert!(needless <= 1, "{needless} interrupts that nobody asked for");
    }
}

#[test]
fn arming_with_a_frame_waiting_says_so() {
    for kind in KINDS {
        let (mut card, device) = card(kind, 16);
        assert_eq!(card.arm(0), Armed::Quiet);
        card.disarm(0);
        device.borrow_mut().incoming.push_back(frame(0, 60));
        device.borrow_mut().receive(1);
        assert_eq!(card.arm(0), Armed::WorkPending);
        card.receive(0, 1, &mut |_| ());
        assert_eq!(card.arm(0), Armed::Quiet);
    }
}

#[test]
fn a_completion_wakes_a_sender_that_armed() {
    for kind in KINDS {
        let (mut card, device) = card(kind, 16);
        card.transmit(0, &[&frame(0, 60)], &[], Token(0))
            .expect("there is room");
        card.flush(0);
        assert_eq!(card.arm(0), Armed::Quiet);
        device.borrow_mut().transmit(1);
        assert_eq!(device.borrow().queues[TRANSMIT].interrupts, 1);
        assert_eq!(card.arm(0), Armed::WorkPending);
        assert_eq!(tokens(&mut card), [Token(0)]);
    }
}

#[test]
fn a_card_without_buffers_is_told_when_there_are_some_again() {
    for kind in KINDS {
        let (mut card, device) = card(kind, 16);
        for number in 0..40 {
            device.borrow_mut().incoming.push_back(frame(number, 60));
        }
        assert_eq!(device.borrow_mut().receive(100), 16);
        assert_eq!(device.borrow_mut().receive(100), 0);
        let mut came = 0;
        while came < 40 {
            let now = card.receive(0, 5, &mut |_| ());
            assert_ne!(now, 0, "stalled after {came}");
            came += now;
            device.borrow_mut().receive(100);
        }
    }
}

#[test]
fn link_changes_are_seen() {
    let (mut card, device) = card(BASIC, 16);
    assert_eq!(card.link(), LinkState::Up);
    device.borrow_mut().set_link(false);
    assert_eq!(card.link(), LinkState::Down);
    device.borrow_mut().set_link(true);
    assert_eq!(card.link(), LinkState::Up);
    assert_eq!(card.fault(), None);
}

#[test]
fn a_frame_shorter_than_a_header_is_dropped_and_counted() {
    let (mut card, device) = card(BASIC, 16);
    device.borrow_mut().incoming = [vec![0; 13], frame(0, 60)].into();
    device.borrow_mut().receive(10);
    let mut seen = 0;
    assert_eq!(card.receive(0, 10, &mut |_| seen += 1), 2);
    let statistics = card.statistics();
    assert_eq!((seen, statistics.received_short), (1, 1));
    assert_eq!(statistics.received_frames, 1);
    assert_eq!(statistics.received_bytes, 60);
}

/// Something that one of the sides does.
#[derive(Clone, Debug)]
enum Step {
    Send { head: usize, cuts: Vec<usize> },
    Flush,
    DeviceSends(usize),
    Complete,
    Arrive(usize),
    DeviceReceives(usize),
    Receive(usize),
    ArmOrNot(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (60usize..1900, prop::collection::vec(1usize..1000, 0..=7))
            .prop_map(|(head, cuts)| Step::Send { head, cuts }),
        2 => Just(Step::Flush),
        2 => (0usize..40).prop_map(Step::DeviceSends),
        2 => Just(Step::Complete),
        3 => (14usize..9014).prop_map(Step::Arrive),
        2 => (0usize..40).prop_map(Step::DeviceReceives),
        2 => (0usize..40).prop_map(Step::Receive),
        1 => any::<bool>().prop_map(Step::ArmOrNot),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the bursts: nothing is lost, doubled, changed or reordered, in either direction, and when both sides
    /// have done all they were asked for nothing is stuck.
    #[test]
    fn bursts_in_both_directions_keep_order_and_content(
        kind in prop::sample::select(&KINDS[..]),
        size in prop::sample::select(&[8u16, 16, 32, 256][..]),
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let (mut card, device) = card(kind, size);
        let mut number = 0;
        let mut payloads = Vec::new();
        let (mut sent, mut arrived, mut came) = (Vec::new(), Vec::new(), Vec::new());
        let (mut given, mut done) = (0, 0);
        let end = [
            Step::Flush,
            Step::DeviceSends(usize::MAX),
            Step::Complete,
            Step::DeviceReceives(usize::MAX),
            Step::Receive(usize::MAX),
        ];
        let steps = steps.into_iter().chain(end.into_iter().cycle().take(5 * 40));
        for step in steps {
            match step {
                Step::Send { head, cuts } => {
                    let head = frame(number, head);
                    let parts: Vec<Vec<u8>> = cuts.iter().map(|&len| frame(number, len.max(8))).collect();
                    let buffers: Vec<Granted> = parts.iter().map(|part| Granted::new(part)).collect();
                    let fragments: Vec<Fragment> = buffers.iter().map(Granted::fragment).collect();
                    let (first, second) = head.split_at(head.len() / 3);
                    match card.transmit(0, &[first, second], &fragments, Token(given)) {
                        Ok(()) => {
                            sent.push([head, parts.concat()].concat());
                            payloads.push(buffers);
                            given += 1;
                        }
                        Err(error) => prop_assert_eq!(error, TransmitError::Full),
                    }
                    number += 1;
                }
                Step::Flush => card.flush(0),
                Step::DeviceSends(max) => {
                    device.borrow_mut().transmit(max);
                }
                Step::Complete => {
                    for token in tokens(&mut card) {
                        prop_assert_eq!(token, Token(done));
                        done += 1;
                    }
                }
                Step::Arrive(len) => {
                    arrived.push(frame(number, len));
                    device.borrow_mut().incoming.push_back(frame(number, len));
                    number += 1;
                }
                Step::DeviceReceives(max) => {
                    device.borrow_mut().receive(max);
                }
                Step::Receive(max) => {
                    let taken = card.receive(0, max, &mut |frame| came.push(frame.to_vec()));
                    prop_assert!(taken <= max);
                }
                Step::ArmOrNot(true) => {
                    card.arm(0);
                }
                Step::ArmOrNot(false) => card.disarm(0),
            }
        }
        prop_assert_eq!(&device.borrow().sent, &sent);
        prop_assert_eq!(done, given);
        prop_assert_eq!(came, arrived);
        prop_assert_eq!(card.fault(), None);
    }
}

#[test]
fn doorbells_are_counted() {
    let (mut card, device) = card(BASIC | F_EVENT_INDEX, 16);
    card.transmit(0, &[&frame(0, 60)], &[], Token(0))
        .expect("there is room");
    card.flush(0);
    card.transmit(0, &[&frame(1, 60)], &[], Token(1))
        .expect("there is room");
    card.flush(0);
    let statistics = card.statistics();
    let doorbells: usize = [RECEIVE, TRANSMIT]
        .iter()
        .map(|&queue| device.borrow().queues[queue].doorbells)
        .sum();
    assert_eq!(statistics.doorbells, doorbells as u64);
    assert_eq!(statistics.transmitted_frames, 2);
    assert_eq!(statistics.transmitted_bytes, 120);
}
