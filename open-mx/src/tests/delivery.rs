//! Every message arrives once, whole and in order, whatever the wire does.

use std::collections::VecDeque;
use std::time::Duration;

use mx_engine::Code;
use mx_engine::PartnerKey;
use mx_engine::Selection;
use mx_testnet::Faults;
use mx_wire::Format;

use super::world::{Station, World, connected, content, finish, pattern};
use crate::endpoint::Buffer;

const KEY: u32 = 0x1234_5678;

fn pair(format: Format, seed: u64) -> (World, Station, Station) {
    let world = World::new(2, format, seed);
    let a = world.open(0, 0, 0xa1a2_a3a4, KEY);
    let b = world.open(1, 3, 0xb1b2_b3b4, KEY);
    (world, a, b)
}

fn formats() -> [Format; 3] {
    [
        Format::native(9000).unwrap(),
        Format::native(1500).unwrap(),
        Format::mx_wire(),
    ]
}

#[test]
fn messages_of_each_kind_arrive_whole_and_their_senders_learn_it() {
    for format in formats() {
        let (_world, mut a, mut b) = pair(format, 5);
        let (to_b, _) = connected(&mut a, &mut b);
        for length in [
            0,
            1,
            32,
            33,
            128,
            129,
            4096,
            8193,
            32768,
            32769,
            100_000,
            1 << 20,
        ] {
            for synchronous in [false, true] {
                let buffer = Buffer::new(length).unwrap();
                let message = pattern(length, length as u64);
                let receive = b.receive(&buffer, 0, 0);
                let send = a.send(to_b, &message, 42, synchronous);
                let received = finish(&mut b, &mut a, receive);
                assert_eq!(received.code, Code::Success);
                assert_eq!(received.match_info, 42);
                assert_eq!(received.transferred as usize, length);
                assert!(content(&buffer, length) == message, "{length} bytes differ");
                let sent = finish(&mut a, &mut b, send);
                assert_eq!(
                    (sent.code, sent.transferred as usize),
                    (Code::Success, length)
                );
            }
        }
    }
}

#[test]
fn unexpected_messages_wait_for_their_receives() {
    for format in formats() {
        let (world, mut a, mut b) = pair(format, 6);
        let (to_b, _) = connected(&mut a, &mut b);
        let lengths = [0, 32, 100, 5000, 30000, 70_000];
        let sends: Vec<_> = lengths
            .iter()
            .enumerate()
            .map(|(i, length)| a.send(to_b, &pattern(*length, 9), i as u64, false))
            .collect();
        for _ in 0..100 {
            a.progress();
            b.progress();
            world.pass(Duration::from_millis(1));
        }
        assert_eq!(
            b.state
                .engine
                .probe(&Selection::new(3, u64::MAX))
                .unwrap()
                .message_length,
            5000
        );
        assert!(
            b.state
                .engine
                .probe(&Selection::new(17, u64::MAX))
                .is_none()
        );
        for (i, length) in lengths.iter().enumerate().rev() {
            let buffer = Buffer::new(*length).unwrap();
            let receive = b.receive(&buffer, i as u64, u64::MAX);
            assert_eq!(finish(&mut b, &mut a, receive).code, Code::Success);
            assert!(content(&buffer, *length) == pattern(*length, 9));
        }
        for send in sends {
            assert_eq!(finish(&mut a, &mut b, send).code, Code::Success);
        }
    }
}

#[test]
fn a_message_longer_than_its_receive_is_cut_and_both_are_told_when_it_is_large() {
    let (_world, mut a, mut b) = pair(Format::native(9000).unwrap(), 7);
    let (to_b, _) = connected(&mut a, &mut b);
    for length in [20, 100, 3000, 50_000] {
        let buffer = Buffer::new(length).unwrap();
        let half = length / 2;
        let memory = buffer.part(0, half).unwrap();
        let receive = {
            let crate::endpoint::state::EndpointState { engine, port, .. } = &mut b.state;
            engine.receive(memory, Selection::new(0, 0), 0, port)
        };
        let send = a.send(to_b, &pattern(length, 3), 1, false);
        let received = finish(&mut b, &mut a, receive);
        assert_eq!(received.code, Code::MessageTruncated);
        assert_eq!(received.transferred as usize, half);
        assert_eq!(received.message_length as usize, length);
        assert!(content(&buffer, half) == pattern(length, 3)[..half]);
        assert!(
            content(&buffer, length)[half..]
                .iter()
                .all(|byte| *byte == 0)
        );
        let sent = finish(&mut a, &mut b, send);
        let large = length > 32768;
        let code = if large {
            Code::MessageTruncated
        } else {
            Code::Success
        };
        assert_eq!(sent.code, code);
    }
}

#[test]
fn a_receive_takes_the_first_message_whose_masked_info_fits() {
    let (_world, mut a, mut b) = pair(Format::native(9000).unwrap(), 8);
    let (to_b, _) = connected(&mut a, &mut b);
    let buffers: Vec<Buffer> = (0..3).map(|_| Buffer::new(8).unwrap()).collect();
    let exact = b.receive(&buffers[0], 0x22, 0xff);
    let any = b.receive(&buffers[1], 0, 0);
    let later = b.receive(&buffers[2], 0, 0);
    a.send(to_b, b"first", 0x111, false);
    a.send(to_b, b"second", 0x122, false);
    a.send(to_b, b"third", 0x333, false);
    assert_eq!(finish(&mut b, &mut a, exact).match_info, 0x122);
    assert_eq!(finish(&mut b, &mut a, any).match_info, 0x111);
    assert_eq!(finish(&mut b, &mut a, later).match_info, 0x333);
}

#[test]
fn messages_to_the_own_endpoint_need_no_board() {
    let (_world, mut a, mut b) = pair(Format::native(9000).unwrap(), 9);
    let own = a.state.engine.loopback();
    let buffer = Buffer::new(50_000).unwrap();
    let send = a.send(own, &pattern(50_000, 1), 5, false);
    assert!(a.test(send).is_none());
    let receive = a.receive(&buffer, 5, u64::MAX);
    assert_eq!(finish(&mut a, &mut b, receive).code, Code::Success);
    assert_eq!(finish(&mut a, &mut b, send).code, Code::Success);
    assert!(content(&buffer, 50_000) == pattern(50_000, 1));
    let short = Buffer::new(10).unwrap();
    let receive = a.receive(&short, 5, u64::MAX);
    let send = a.send(own, &pattern(50, 1), 5, false);
    assert_eq!(finish(&mut a, &mut b, receive).code, Code::MessageTruncated);
    assert_eq!(finish(&mut a, &mut b, send).code, Code::MessageTruncated);
}

#[test]
fn a_registration_that_is_refused_delays_the_message_and_none_after_it() {
    let (world, mut a, mut b) = pair(Format::native(9000).unwrap(), 10);
    let (to_b, _) = connected(&mut a, &mut b);
    let large = Buffer::new(100_000).unwrap();
    let small = Buffer::new(10).unwrap();
    let first = b.receive(&large, 0, 0);
    let second = b.receive(&small, 0, 0);
    world.net().refusals = 6;
    a.send(to_b, &pattern(100_000, 1), 1, false);
    let behind = a.send(to_b, b"behind", 2, false);
    assert_eq!(a.state.engine.buffered(behind), Some(true));
    assert_eq!(finish(&mut b, &mut a, first).match_info, 1);
    assert_eq!(finish(&mut b, &mut a, second).match_info, 2);
    assert_eq!(world.net().refusals, 0);
}

#[test]
fn more_messages_than_the_queues_hold_go_out_as_room_comes() {
    let (_world, mut a, mut b) = pair(Format::native(1500).unwrap(), 11);
    let (to_b, _) = connected(&mut a, &mut b);
    let sends: Vec<_> = (0..600u64)
        .map(|i| a.send(to_b, &pattern(20_000, i), i, false))
        .collect();
    let buffer = Buffer::new(20_000).unwrap();
    for i in 0..600 {
        let receive = b.receive(&buffer, 0, 0);
        let status = finish(&mut b, &mut a, receive);
        assert_eq!((status.code, status.match_info), (Code::Success, i));
        assert!(content(&buffer, 20_000) == pattern(20_000, i));
    }
    for send in sends {
        assert_eq!(finish(&mut a, &mut b, send).code, Code::Success);
    }
}

/// Random lengths in both directions at once, several posted at a time.
fn traffic(format: Format, faults: Faults, seed: u64, messages: u64) {
    struct Flow {
        to: PartnerKey,
        sends: VecDeque<mx_engine::RequestKey>,
        receives: VecDeque<(mx_engine::RequestKey, Buffer)>,
        sent: u64,
        received: u64,
    }
    let (world, mut a, mut b) = pair(format, seed);
    let (to_b, to_a) = connected(&mut a, &mut b);
    world.net().wire.faults = faults;
    let length = |from: u64, i: u64| {
        let mut random = fastrand::Rng::with_seed(seed ^ (i * 7919 + from * 104_729 + 1));
        let longest = [33, 200, 40_000, 200_000][random.usize(..4)];
        random.usize(..longest)
    };
    let mut stations = [a, b];
    let mut flows = [to_b, to_a].map(|to| Flow {
        to,
        sends: VecDeque::new(),
        receives: VecDeque::new(),
        sent: 0,
        received: 0,
    });
    let end = world.net().now + Duration::from_secs(600);
    while flows
        .iter()
        .any(|flow| flow.received < messages || !flow.sends.is_empty())
    {
        assert!(world.net().now < end, "the traffic stalls");
        for (me, (station, flow)) in stations.iter_mut().zip(&mut flows).enumerate() {
            let me = me as u64;
            while flow.sends.len() < 4 && flow.sent < messages {
                let i = flow.sent;
                let message = pattern(length(me, i), i + me);
                flow.sends
                    .push_back(station.send(flow.to, &message, i, i.is_multiple_of(9)));
                flow.sent += 1;
            }
            while flow.receives.len() < 3 {
                let buffer = Buffer::new(200_000).unwrap();
                let receive = station.receive(&buffer, 0, 0);
                flow.receives.push_back((receive, buffer));
            }
            station.progress();
            flow.sends
                .retain(|send| match station.state.engine.take_done(*send) {
                    Some(outcome) => {
                        assert_eq!(outcome.code, Code::Success);
                        false
                    }
                    None => true,
                });
            while let Some((receive, buffer)) = flow.receives.front() {
                let Some(outcome) = station.state.engine.take_done(*receive) else {
                    break;
                };
                let (i, from) = (flow.received, 1 - me);
                assert_eq!((outcome.code, outcome.match_info), (Code::Success, i));
                let expected = pattern(length(from, i), i + from);
                assert_eq!(outcome.message_length as usize, expected.len());
                assert!(
                    content(buffer, expected.len()) == expected,
                    "message {i} differs"
                );
                flow.received += 1;
                flow.receives.pop_front();
            }
        }
        world.pass(Duration::from_micros(100));
    }
}

#[test]
fn with_a_tenth_lost_doubled_and_reordered_every_message_arrives_once_whole_in_order() {
    for (seed, format) in (1..).zip(formats()) {
        traffic(format, Faults::TENTH, seed, 100);
    }
}

#[test]
fn a_third_of_the_frames_lost_delays_and_breaks_nothing() {
    let faults = Faults {
        loss: 33,
        ..Faults::NONE
    };
    traffic(Format::native(1500).unwrap(), faults, 4, 25);
}
