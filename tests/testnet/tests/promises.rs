//! What the network of the tests promises to them.

use std::collections::HashSet;
use std::time::Duration;

use mx_testnet::{Faults, Network, Tally};

const FRAMES: u32 = 10_000;

fn frame(number: u32) -> Vec<u8> {
    let mut frame = vec![0; 60];
    frame[20..24].copy_from_slice(&number.to_le_bytes());
    frame
}

/// Frames from port 0, one each microsecond, and what came of them at port 1.
fn run(faults: Faults, seed: u64) -> (Tally, Vec<Vec<u8>>) {
    let mut network = Network::new(2, faults, seed);
    for number in 0..FRAMES {
        network.send(0, &frame(number));
        network.advance(network.now() + Duration::from_micros(1));
    }
    network.advance(Duration::from_secs(1));
    let came = std::iter::from_fn(|| network.receive(1)).collect();
    (network.tally(), came)
}

fn sent() -> Vec<Vec<u8>> {
    (0..FRAMES).map(frame).collect()
}

#[test]
fn a_good_network_keeps_order_and_content() {
    let (tally, came) = run(Faults::NONE, 3);
    assert_eq!(came, sent());
    let expected = Tally {
        sent: FRAMES.into(),
        arrived: FRAMES.into(),
        ..Tally::default()
    };
    assert_eq!(tally, expected);
}

#[test]
fn each_fault_happens_as_often_as_asked_and_no_other() {
    let none = Faults::NONE;
    let single = [
        Faults { loss: 10, ..none },
        Faults {
            duplication: 10,
            ..none
        },
        Faults {
            reordering: 10,
            ..none
        },
        Faults {
            corruption: 10,
            ..none
        },
        Faults {
            truncation: 10,
            ..none
        },
    ];
    for faults in single {
        let (tally, came) = run(faults, 11);
        let counts = [
            (tally.lost, faults.loss),
            (tally.duplicated, faults.duplication),
            (tally.reordered, faults.reordering),
            (tally.corrupted, faults.corruption),
            (tally.truncated, faults.truncation),
        ];
        for (count, asked) in counts {
            let possible = if asked == 0 { 0..1 } else { 800..1200 };
            assert!(possible.contains(&count), "{count} with {faults:?}");
        }
        let frames = u64::from(FRAMES) + tally.duplicated - tally.lost;
        assert_eq!(came.len() as u64, frames);
        let original: HashSet<Vec<u8>> = sent().into_iter().collect();
        let mut whole = came.iter().filter(|frame| frame.len() == 60);
        assert_eq!(
            whole.all(|frame| original.contains(frame)),
            faults.corruption == 0
        );
        assert!(came.iter().all(|frame| (14..=60).contains(&frame.len())));
    }
}

#[test]
fn reordered_frames_arrive_whole_but_later() {
    let faults = Faults {
        reordering: 30,
        ..Faults::NONE
    };
    let (_, mut came) = run(faults, 5);
    assert_ne!(came, sent());
    came.sort_by_key(|frame| u32::from_le_bytes([frame[20], frame[21], frame[22], frame[23]]));
    assert_eq!(came, sent());
}

#[test]
fn the_same_seed_makes_the_same_faults() {
    let faults = Faults {
        corruption: 10,
        truncation: 10,
        ..Faults::TENTH
    };
    assert_eq!(run(faults, 42), run(faults, 42));
    assert_ne!(run(faults, 42), run(faults, 43));
}

#[test]
fn nothing_arrives_before_its_time_and_everything_at_it() {
    let mut network = Network::new(2, Faults::NONE, 1);
    assert_eq!(network.next(), None);
    network.send(0, &frame(0));
    let arrival = network.next().expect("a frame is under way");
    assert_eq!(arrival, network.latency);
    network.advance(arrival - Duration::from_nanos(1));
    assert_eq!(network.waiting(1), 0);
    network.advance(arrival);
    assert_eq!(network.receive(1), Some(frame(0)));
    network.advance(Duration::ZERO);
    assert_eq!(network.now(), arrival);
}

#[test]
fn what_a_port_sends_reaches_every_other_port_and_not_itself() {
    let mut network = Network::new(3, Faults::NONE, 1);
    network.send(1, &frame(7));
    network.advance(Duration::from_secs(1));
    let came = [0, 1, 2].map(|port| network.receive(port));
    assert_eq!(came, [Some(frame(7)), None, Some(frame(7))]);
}

#[test]
fn a_port_that_is_not_emptied_loses_what_does_not_fit() {
    let mut network = Network::new(2, Faults::NONE, 1);
    network.receive_slots = 3;
    for number in 0..5 {
        network.send(0, &frame(number));
    }
    network.advance(Duration::from_secs(1));
    assert_eq!((network.waiting(1), network.tally().overrun), (3, 2));
    assert_eq!(network.receive(1), Some(frame(0)));
}

#[test]
fn a_cut_network_passes_nothing() {
    let (tally, came) = run(Faults::CUT, 9);
    assert_eq!((tally.lost, came.len()), (u64::from(FRAMES), 0));
}
