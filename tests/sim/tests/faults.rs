//! What an application is promised on a bad wire, at all sizes and formats. A failure prints the seed.

use std::time::Duration;

use fastrand::Rng;
use mx_ring::Geometry;
use mx_testnet::Faults;
use mx_wire::Format;
use sim::{BoardPlace, Fabric, Message, Outcomes, Traffic, Until};

/// Prints the seed of a run that fails.
struct Seed(u64, Format);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the run with seed {} of {:?} failed", self.0, self.1);
        }
    }
}

fn formats() -> Vec<Format> {
    [1500, 2048, 4144, 8240, 9000]
        .into_iter()
        .map(|mtu| Format::native(mtu).unwrap())
        .chain([Format::mx_wire()])
        .collect()
}

/// Two backends; in the first one two boards, of which the first has two processes.
fn fabric(format: Format, faults: Faults, seed: u64) -> Fabric {
    let mut fabric = Fabric::new(format, &[2, 1], faults, seed);
    open_processes(&mut fabric, 0);
    fabric
}

/// Four processes, at endpoints from `first`.
fn open_processes(fabric: &mut Fabric, first: u8) {
    let place = |backend, board| BoardPlace { backend, board };
    let small = Geometry {
        commands: 64,
        unexpected: 64,
        expected: 64,
        transmit: 64 << 10,
        receive: 64 << 10,
    };
    let session = u32::from(first) << 16;
    fabric.open(place(0, 0), first, session | 1, Geometry::default());
    fabric.open(place(0, 0), first + 5, session | 2, small);
    fabric.open(place(0, 1), first, session | 3, small);
    fabric.open(place(1, 0), first, session | 4, Geometry::default());
}

/// Messages of all kinds between all processes; the lengths beside each limit among them.
fn messages(
    format: Format,
    first: usize,
    count: usize,
    large: u32,
    random: &mut Rng,
) -> Vec<Message> {
    let fragment = u32::from(format.medium_fragment());
    (0..count)
        .map(|_| {
            let from = random.u32(..4) as usize;
            let to = (from + 1 + random.u32(..3) as usize) % 4;
            let length = match random.u32(..10) {
                0 => 0,
                1 | 2 => random.u32(..33),
                3 => 33 + random.u32(..96),
                4 => 128 + random.u32(..2),
                5 => fragment * (1 + random.u32(..3)) + random.u32(..3) - 1,
                6 | 7 => random.u32(..32 << 10),
                8 => (32 << 10) + random.u32(..3) - 1,
                _ => random.u32(..large),
            };
            Message {
                from: first + from,
                to: first + to,
                length,
            }
        })
        .collect()
}

fn all_arrived(count: usize) -> Outcomes {
    Outcomes {
        sent: count,
        received: count,
        ..Outcomes::default()
    }
}

#[test]
fn every_message_arrives_once_whole_and_in_order_on_a_good_wire() {
    for format in formats() {
        let _seed = Seed(1, format);
        let mut fabric = fabric(format, Faults::default(), 1);
        let messages = messages(format, 0, 200, 4 << 20, &mut Rng::with_seed(1));
        let within = Duration::from_secs(60);
        let traffic = Traffic::run(&mut fabric, &messages, 1, Until::Received, within);
        assert_eq!(traffic.outcomes(), all_arrived(messages.len()));
        let pieces = fabric.processes.iter().map(|(_, process)| process.pieces());
        assert!(
            pieces.sum::<u32>() > 50,
            "hardly anything was sent in pieces"
        );
    }
}

#[test]
fn every_message_arrives_once_whole_and_in_order_despite_loss_duplication_and_reordering() {
    let faults = Faults {
        loss: 10,
        duplication: 10,
        reordering: 10,
        ..Faults::default()
    };
    for format in formats() {
        for seed in 0..4 {
            let _seed = Seed(seed, format);
            let mut fabric = fabric(format, faults, seed);
            let messages = messages(format, 0, 120, 1 << 20, &mut Rng::with_seed(seed));
            let within = Duration::from_secs(900);
            let traffic = Traffic::run(&mut fabric, &messages, seed, Until::Received, within);
            assert_eq!(traffic.outcomes(), all_arrived(messages.len()));
            assert_eq!(fabric.misbehaved, []);
        }
    }
}

#[test]
fn nothing_breaks_or_hangs_when_bits_flip_and_frames_are_cut() {
    let faults = Faults {
        loss: 5,
        duplication: 5,
        reordering: 5,
        corruption: 10,
        truncation: 10,
    };
    for format in formats() {
        for seed in 100..104 {
            let _seed = Seed(seed, format);
            let mut fabric = fabric(format, faults, seed);
            let mut random = Rng::with_seed(seed);
            let noisy = messages(format, 0, 60, 256 << 10, &mut random);
            let within = Duration::from_secs(3000);
            let traffic = Traffic::run(&mut fabric, &noisy, seed, Until::EagerSent, within);
            let outcomes = traffic.outcomes();
            assert!(fabric.elapsed() < within, "{outcomes:?}");

            // New processes on the same boards do not notice what went on before.
            fabric.heal();
            open_processes(&mut fabric, 10);
            let quiet = messages(format, 4, 40, 256 << 10, &mut random);
            let within = fabric.elapsed() + Duration::from_secs(60);
            let traffic = Traffic::run(&mut fabric, &quiet, seed, Until::Received, within);
            assert_eq!(traffic.outcomes(), all_arrived(quiet.len()));
            assert_eq!(fabric.misbehaved, []);
        }
    }
}
