//! The tools for two nodes against the other side of the original's (api.md §6 and §8), which posts, sends and waits step
//! by step as described there, and matches exactly.

mod peers;

use std::time::Duration;

use mx_wire::{Frame, Packet};
use omx_captures::{CaptureFile, Frames, capture_files};
use open_mx::Address;
use peers::{Peer, captures, receiver, tool, word, words};

const PERF: &str = env!("CARGO_BIN_EXE_omx_perf");
const PINGPONG: &str = env!("CARGO_BIN_EXE_mx_pingpong");
const STREAM: &str = env!("CARGO_BIN_EXE_mx_stream");
const VERIFY: &str = env!("CARGO_BIN_EXE_omx_verify");

const PERF_KEY: u32 = 0x1234_5678;
const PERF_MATCH: u64 = 0x1234_5678_8765_4321;
const FILTER: u32 = 0x12345;
/// The lengths of the captured run, and its messages of each length.
const PERF_LENGTHS: [usize; 7] = [0, 1, 8, 64, 512, 4096, 32768];
const PERF_TURNS: usize = 3;

/// What native senders told, in each wire format.
fn captured_parameters() -> Vec<Vec<u8>> {
    let message = |file: &CaptureFile| {
        let bytes = file.read().unwrap();
        let mut frames = Frames::new(&bytes).unwrap();
        frames.find_map(|frame| match Frame::parse(&file.format, frame.unwrap()) {
            Ok(Frame {
                packet: Packet::PullReply(_),
                payload,
                ..
            }) => Some(payload.to_vec()),
            _ => None,
        })
    };
    let files = capture_files(&captures(), None).unwrap();
    let of_perf = |file: &&CaptureFile| file.below.to_string_lossy().contains("10-omx_perf");
    files.iter().filter(of_perf).filter_map(message).collect()
}

#[test]
fn omx_perf_answers_a_native_sender() {
    for (turn, parameters) in captured_parameters().iter().enumerate() {
        let answerer = receiver(PERF, 3, &[]);
        let peer = Peer::open(0, 16 + turn as u32, PERF_KEY);
        let to = peer.connect("right", 3);
        let ready = peer.post_masked(0, 0, 1);
        peer.send(to, PERF_MATCH, parameters, true);
        let (status, bytes) = peer.take(ready);
        assert_eq!((status.match_info, bytes.len()), (0, 0));
        for length in PERF_LENGTHS {
            for _ in 0..PERF_TURNS {
                peer.send(to, PERF_MATCH, &vec![7; length], false);
                let (status, bytes) = peer.take(peer.post_masked(0, 0, length));
                assert_eq!((status.match_info, bytes.len()), (PERF_MATCH, length));
            }
        }
        peer.settle();
        answerer.succeeds();
    }
}

#[test]
fn omx_perf_asks_a_native_receiver() {
    let peer = Peer::open(1, 4, PERF_KEY);
    let run = "-d right:0 -r 4 -N 2 -W 1 -S 0 -E 40000 -M 8 -P 0";
    let asker = tool(PERF, &run.split(' ').collect::<Vec<_>>());
    let (status, bytes) = peer.take(peer.post_masked(0, 0, 44));
    assert_eq!(status.match_info, PERF_MATCH);
    let captured = captured_parameters();
    assert_eq!(captured.len(), 3, "one of each format");
    for parameters in captured {
        // The last byte is what the original leaves uninitialised.
        assert_eq!(bytes[..43], parameters[..43]);
    }
    let from = status.address.unwrap();
    let to = peer.connect_to(from.nic_id, from.endpoint);
    peer.send(to, 0, &[], true);
    for length in PERF_LENGTHS {
        for _ in 0..PERF_TURNS {
            let (_, bytes) = peer.take(peer.post_masked(0, 0, length));
            assert_eq!(bytes.len(), length);
            peer.send(to, PERF_MATCH, &bytes, false);
        }
    }
    peer.settle();
    let printed = asker.succeeds();
    assert_eq!(printed.matches("length ").count(), PERF_LENGTHS.len());
}

/// A plan of `mx_pingpong`.
fn pingpong_plan(peer: &Peer, numbers: [u32; 7], multiplier: &str) -> Vec<u8> {
    let own = peer.address();
    let [
        first,
        end,
        increment,
        warmup,
        verify,
        iterations,
        rendezvous,
    ] = numbers;
    let low = own.nic_id as u32;
    let head = [first, end, increment, warmup, verify, iterations, 0];
    let mut plan = words(&[&head[..], &[own.endpoint, rendezvous, low]].concat());
    plan.extend(((own.nic_id >> 32) as u16).to_be_bytes());
    plan.extend(multiplier.as_bytes());
    plan.resize(108, 0);
    plan
}

/// A native sender of `mx_pingpong`: its numbers start again with each length, or go on.
fn native_pingpong(
    endpoint: u32,
    plan: impl Fn(&Peer) -> Vec<u8>,
    lengths: &[usize],
    restarts: bool,
) {
    const TURNS: u64 = 4;
    let answerer = receiver(PINGPONG, endpoint, &[]);
    let peer = Peer::open(0, endpoint, FILTER);
    let to = peer.connect("right", endpoint);
    let plan = plan(&peer);
    peer.send(to, 0x0000_2222_1111_0000, &plan, false);
    let (mut ping, mut pong) = (0x1000, 0);
    for length in lengths {
        if restarts {
            (ping, pong) = (0x1000, 0);
        }
        let number = |number: &mut u64| {
            *number += 1;
            *number - 1
        };
        std::thread::sleep(Duration::from_millis(100));
        let mut ahead = peer.post(number(&mut pong), *length);
        for _ in 0..TURNS {
            peer.send(
                to,
                number(&mut ping),
                &vec![7; *length],
                word(&plan, 8) != 0,
            );
            let (_, bytes) = peer.take(ahead);
            assert_eq!(bytes, vec![7; *length]);
            ahead = peer.post(number(&mut pong), *length);
        }
        peer.send(to, number(&mut ping), &vec![0; *length], false);
        std::thread::sleep(Duration::from_millis(200));
        peer.send(to, number(&mut ping), &vec![0; *length], false);
        peer.take(ahead);
    }
    peer.settle();
    answerer.succeeds();
}

#[test]
fn mx_pingpong_answers_a_native_sender() {
    let sums = |peer: &Peer| pingpong_plan(peer, [0, 50_000, 20_000, 1, 0, 3, 0], "0.000000");
    native_pingpong(5, sums, &[0, 20_000, 40_000], true);
    let products = |peer: &Peer| pingpong_plan(peer, [1, 5, 0, 1, 0, 3, 1], "1.500000");
    native_pingpong(5, products, &[1, 2, 3, 4], true);
    native_pingpong(5, products, &[1, 2, 3, 4], false);
}

#[test]
fn mx_pingpong_asks_a_native_receiver() {
    const TURNS: u64 = 4;
    let peer = Peer::open(1, 6, FILTER);
    let run = "-d right:0 -e 6 -r 6 -S 0 -E 70000 -I 35000 -N 3 -W 1 -R -V";
    let asker = tool(PINGPONG, &run.split(' ').collect::<Vec<_>>());
    let (status, plan) = peer.take(peer.post(0x0000_2222_1111_0000, 108));
    assert_eq!(plan.len(), 108);
    let told: Vec<u32> = (0..9).map(|index| word(&plan, index)).collect();
    assert_eq!(told, [0, 70_001, 35_000, 1, 1, 3, 0, 6, 1]);
    assert_eq!(plan[42..51], *b"0.000000\0");
    let high = u16::from_be_bytes([plan[40], plan[41]]);
    let nic = u64::from(high) << 32 | u64::from(word(&plan, 9));
    assert_eq!(nic, status.address.unwrap().nic_id);
    let to = peer.connect_to(nic, word(&plan, 7));
    for length in [0, 35_000, 70_000] {
        let mut ahead = [0x1000, 0x1001].map(|number| Some(peer.post(number, length)));
        for turn in 0..TURNS {
            let place = &mut ahead[turn as usize % 2];
            let (_, bytes) = peer.take(place.take().unwrap());
            assert_eq!(bytes.len(), length);
            peer.send(to, turn, &bytes, true);
            *place = Some(peer.post(0x1000 + turn + 2, length));
        }
        for posted in ahead.into_iter().flatten() {
            peer.take(posted);
        }
        peer.send(to, TURNS, &vec![0; length], true);
    }
    peer.settle();
    let printed = asker.succeeds();
    assert_eq!(printed.lines().count(), 2 + 3, "{printed}");
}

const MAIN: u64 = 0x8000_0000;
const SECOND: u64 = 1;
const WINDOW: u32 = 16;

/// Bytes of all messages of a verified stream, one after the other.
fn stream_content(length: usize, messages: u32) -> Vec<Vec<u8>> {
    let words_each = (length / 4) as u32;
    let message = |number: u32| {
        let first = 1 + number * words_each;
        words(&(first..first + words_each).collect::<Vec<_>>())
    };
    (0..messages).map(message).collect()
}

/// A native sender of a direction of `mx_stream`.
fn native_stream(peer: &Peer, to: Address, plan: &[u32; 5], info: u64) {
    let answer = peer.post(info, 20);
    peer.send(to, info, &words(plan), false);
    let (_, ready) = peer.take(answer);
    let done = peer.post(info, 20);
    assert_eq!((word(&ready, 0), word(&ready, 1)), (plan[0], plan[1]));
    for message in stream_content(plan[0] as usize, plan[1]) {
        peer.send(to, info, &message, false);
    }
    let (_, done) = peer.take(done);
    assert_eq!((word(&done, 0), word(&done, 1)), (plan[0], plan[1]));
    assert!(word(&done, 2) > 0, "it was not measured");
}

/// A native receiver of a direction of `mx_stream`, which has been told its plan.
fn native_sink(peer: &Peer, from: Address, plan: &[u8], info: u64) {
    let (length, messages) = (word(plan, 0) as usize, word(plan, 1));
    let mut posted: std::collections::VecDeque<_> = (0..WINDOW.min(messages))
        .map(|_| peer.post(info, length))
        .collect();
    peer.send(from, info, plan, false);
    for (number, expected) in (0..).zip(stream_content(length, messages)) {
        let (_, bytes) = peer.take(posted.pop_front().unwrap());
        assert!(bytes == expected, "message {number} is another one");
        if number + WINDOW < messages {
            posted.push_back(peer.post(info, length));
        }
    }
    let mut done = plan.to_vec();
    done[8..12].copy_from_slice(&1_000_000_u32.to_be_bytes());
    peer.send(from, info, &done, false);
}

#[test]
fn mx_stream_answers_a_native_sender_in_one_direction_and_in_both() {
    for (both, messages) in [(0, 40), (0, 5), (1, 40)] {
        let answerer = receiver(STREAM, 7, &["-w"]);
        let peer = Peer::open(0, 7, FILTER);
        let to = peer.connect("right", 7);
        let plan = [40_000, messages, 0xdead_beef, 1, both];
        std::thread::scope(|scope| {
            if both != 0 {
                scope.spawn(|| {
                    let (_, plan) = peer.take(peer.post(SECOND, 20));
                    native_sink(&peer, to, &plan, SECOND);
                });
            }
            native_stream(&peer, to, &plan, MAIN);
        });
        peer.settle();
        let printed = answerer.succeeds();
        assert_eq!(
            printed.lines().count(),
            if both == 0 { 1 } else { 3 },
            "{printed}"
        );
    }
}

#[test]
fn mx_stream_asks_a_native_receiver_in_one_direction_and_in_both() {
    for both in [false, true] {
        let peer = Peer::open(1, 8, FILTER);
        let mut run = vec![
            "-d", "right:0", "-e", "8", "-r", "8", "-l", "4000", "-N", "50", "-V",
        ];
        run.extend(both.then_some("-x"));
        let asker = tool(STREAM, &run);
        let (status, plan) = peer.take(peer.post(MAIN, 20));
        let told: Vec<u32> = (0..5).map(|index| word(&plan, index)).collect();
        assert_eq!(
            (told[0], told[1], told[3], told[4]),
            (4000, 50, 1, both.into())
        );
        let from = status.address.unwrap();
        let to = peer.connect_to(from.nic_id, from.endpoint);
        std::thread::scope(|scope| {
            if both {
                scope.spawn(|| native_stream(&peer, to, &[4000, 50, 0, 1, 1], SECOND));
            }
            native_sink(&peer, to, &plan, MAIN);
        });
        peer.settle();
        let printed = asker.succeeds();
        // 50 messages of 4000 bytes in the second that the receiver told.
        assert!(printed.contains("    0.200    50.000"), "{printed}");
    }
}

#[test]
fn a_receiver_says_that_it_does_not_understand_a_sender_and_fails() {
    let first_messages = [
        (PERF, PERF_KEY, PERF_MATCH, 43),
        (PERF, PERF_KEY, 1, 44),
        (PINGPONG, FILTER, 0x0000_2222_1111_0000, 24),
        (PINGPONG, FILTER, MAIN, 108),
        (STREAM, FILTER, MAIN, 32),
        (STREAM, FILTER, 0x0000_2222_1111_0000, 20),
        (VERIFY, PERF_KEY, 1, 44),
        (VERIFY, PERF_KEY, PERF_MATCH, 4),
    ];
    for (program, key, info, length) in first_messages {
        let answerer = receiver(program, 9, &[]);
        let peer = Peer::open(0, 9, key);
        let to = peer.connect("right", 9);
        peer.send(to, info, &vec![0; length], false);
        let said = answerer.fails();
        let cause = format!("the first message of left:0 has {length} bytes and match info");
        assert!(said.contains(&cause), "{program}: {said}");
        let name = program.rsplit('/').next().unwrap();
        assert!(said.contains(name), "{said}");
    }
}

#[test]
fn a_sender_says_that_a_receiver_does_not_understand_it_or_has_ended_and_fails() {
    let senders = [
        (PERF, PERF_KEY, 12),
        (VERIFY, PERF_KEY, 13),
        (PINGPONG, FILTER, 14),
        (STREAM, FILTER, 15),
    ];
    std::thread::scope(|scope| {
        for (program, key, endpoint) in senders {
            scope.spawn(move || {
                let number = endpoint.to_string();
                let run = ["-w", "-d", "right:0", "-e", &number, "-r", &number];
                // It is there, and says nothing.
                let peer = Peer::open(1, endpoint, key);
                let asker = tool(program, &run);
                let said = std::thread::scope(|scope| {
                    let said = scope.spawn(|| asker.fails());
                    peer.idle_until(|| said.is_finished());
                    said.join().unwrap()
                });
                assert!(
                    said.contains("right:0 is there, but does not answer"),
                    "{said}"
                );
                drop(peer);
                // It ends as soon as it was spoken to.
                let peer = Peer::open(1, endpoint, key);
                let asker = tool(program, &run);
                peer.hears_something();
                drop(peer);
                let said = asker.fails();
                assert!(said.contains("right:0 has ended"), "{said}");
                // Nobody is there, and somebody with another key.
                let said = tool(program, &run).fails();
                assert!(said.contains("nobody has opened endpoint"), "{said}");
                let peer = Peer::open(1, endpoint, !key);
                let asker = tool(program, &run);
                let said = std::thread::scope(|scope| {
                    let said = scope.spawn(|| asker.fails());
                    peer.idle_until(|| said.is_finished());
                    said.join().unwrap()
                });
                assert!(said.contains("expects another key"), "{said}");
            });
        }
    });
}
