//! A turn is bounded in time, whatever is due in it: counted in frames, each of which costs about as much as any other.

mod guest;

use core::time::Duration;

use guest::*;
use mx_backend::fake::{Awake, Outbox};
use mx_backend::{Backend, EndpointKey, HostName, Instant};
use mx_ring::admin::Change;
use mx_ring::board_page::{BoardPages, PAGES};
use mx_ring::mapping::Memfd;
use mx_ring::{BackendSide, EndpointLayout, Geometry, PAGE_SIZE, ProcessSide};
use mx_wire::MacAddress;

/// Frames of a board in a turn at most: 64 KiB at 4 KiB for each frame, and what one pull asks for beyond.
const FRAMES: usize = 16 + 4;

const NOBODY: MacAddress = MacAddress([2, 7, 7, 7, 7, 7]);

/// A process with many pulls from somebody who never answers.
struct Puller {
    key: EndpointKey,
    process: ProcessSide,
    _memory: [Memfd; 2],
}

fn frames_of_a_turn(backend: &mut Backend, now: Instant) -> usize {
    let mut sink = Outbox::default();
    backend.turn(now, &mut sink, &mut Awake);
    sink.frames.len()
}

#[test]
fn timers_of_thousands_of_unanswered_pulls_are_served_in_bounded_turns_and_none_is_forgotten() {
    const ENDPOINTS: u8 = 8;
    const PULLS: usize = 256;
    let mut lab = Lab::new(formats()[1], 1, mx_testnet::Faults::NONE, 5);
    let board = lab.board(0, 1);
    let (mut now, backend) = (lab.now, &mut lab.backends[0].backend);
    let add = Change::AddPeer {
        mac: NOBODY,
        name: [0; 80],
    };
    backend.change(now, board, &add).unwrap();
    let layout = EndpointLayout::new(Geometry {
        commands: 64,
        unexpected: 64,
        expected: PULLS as u32,
        transmit: 64 << 10,
        receive: 64 << 10,
    })
    .unwrap();
    let mut pullers: Vec<Puller> = (0..ENDPOINTS)
        .map(|endpoint| {
            let w = Memfd::create("w", layout.w_size()).unwrap();
            let r = Memfd::create("r", layout.r_size()).unwrap();
            let key = EndpointKey { board, endpoint };
            let side = BackendSide::new(layout, w.slice(), r.slice()).unwrap();
            backend.open_endpoint(now, key, 9, side).unwrap();
            let process = ProcessSide::new(layout, w.slice(), r.slice()).unwrap();
            Puller {
                key,
                process,
                _memory: [w, r],
            }
        })
        .collect();
    let order = pull(to(1, 0, 1), 1, 4 << 20);
    let mut left = [PULLS; ENDPOINTS as usize];
    while left.iter().any(|left| *left > 0) {
        for (puller, left) in pullers.iter_mut().zip(&mut left) {
            while *left > 0 && puller.process.post(&order, &[]) {
                *left -= 1;
            }
            backend.kicked(now, puller.key);
        }
        let frames = frames_of_a_turn(backend, now);
        assert!(frames <= FRAMES, "{frames} frames");
        now = now + Duration::from_micros(1);
    }
    while frames_of_a_turn(backend, now) > 0 {}
    // Whoever gets no answer asks again within a second: four times for each pull.
    now = now + Duration::from_secs(2);
    let mut asked = 0;
    let all = 4 * PULLS * usize::from(ENDPOINTS);
    for _ in 0..all {
        let frames = frames_of_a_turn(backend, now);
        assert!(frames <= FRAMES, "{frames} frames");
        asked += frames;
    }
    assert!(asked >= all, "{asked} of {all}");
}

#[test]
fn beacons_of_many_boards_that_are_due_at_once_are_spread_over_turns() {
    let mut lab = Lab::new(formats()[1], 1, mx_testnet::Faults::NONE, 5);
    let mut pages = Vec::new();
    let backend = &mut lab.backends[0].backend;
    for n in 0..200 {
        let memory = Memfd::create("board", PAGES * PAGE_SIZE).unwrap();
        let board = BoardPages::new(memory.slice()).unwrap();
        board.format();
        let name = HostName::new(format!("guest{n}:0").as_bytes());
        backend.add_board(lab.now, mac(n), name, board).unwrap();
        pages.push(memory);
    }
    let mut beacons = 0;
    for _ in 0..200 {
        let frames = frames_of_a_turn(backend, lab.now);
        // Each is told to 200 boards.
        assert!(frames <= 3, "{frames} beacons");
        beacons += frames;
    }
    assert!(beacons >= 200);
}
