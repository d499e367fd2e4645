//! Whole ways: from one process's queue to another's, over the wire and within a backend.

mod guest;

use core::time::Duration;

use guest::*;
use mx_ring::board_page::BoardPages;
use mx_ring::{Counter, Event, EventBody, Place, PullDone, PullStatus};
use mx_testnet::Faults;
use mx_wire::{Content, Eager, Medium};

/// Two guests that know each other as peer 1: in one backend, or in two.
fn pair(format: mx_wire::Format, backends: usize, faults: Faults) -> (Lab, Guest, Guest) {
    let mut lab = Lab::new(format, backends, faults, 5);
    let a = lab.board(0, 1);
    let b = lab.board(backends - 1, 2);
    lab.meet(2);
    let a = lab.open(0, a, 3, 0xa);
    let b = lab.open(backends - 1, b, 4, 0xb);
    (lab, a, b)
}

#[test]
fn messages_of_each_kind_arrive_with_their_bytes() {
    for format in formats() {
        for backends in [1, 2] {
            let (mut lab, mut a, mut b) = pair(format, backends, Faults::default());
            let to = to(1, 4, 0xb);
            let small = pattern(128);
            let full = format.medium_fragment();
            let medium = pattern(usize::from(full));
            a.process.write_transmit(4096 - 7, &medium).unwrap();
            a.post(&tiny(to, 1), &[]);
            a.post(
                &message(
                    to,
                    (2, 1),
                    Content::Small(Eager {
                        match_info: 9,
                        length: 128,
                    }),
                    Place::Apart,
                ),
                &small,
            );
            a.post(
                &message(
                    to,
                    (3, 1),
                    Content::Medium(Medium {
                        match_info: 9,
                        total: u32::from(full) + 1,
                        length: full,
                        fragment: 0,
                    }),
                    Place::At(4096 - 7),
                ),
                &[],
            );
            lab.run(Duration::from_millis(1));
            let events = b.events();
            let [(first, _), (second, got_small), (third, got_medium)] = &events[..] else {
                panic!("{events:?}")
            };
            assert!(
                matches!(first, Event { from, body: EventBody::Message(m, Place::Inline(data)) }
                if m.content.length() == 4 && data[..4] == *b"tiny"
                    && from.peer == 1 && from.endpoint == 3 && from.local == (backends == 1))
            );
            let seq = |event: &Event| event.message().map(|message| message.seq);
            assert!(seq(second) == Some(2) && *got_small == small);
            assert!(seq(third) == Some(3) && *got_medium == medium);
            assert_eq!(
                a.process.sent(),
                3,
                "everything is read, nothing is in flight"
            );
        }
    }
}

#[test]
fn a_pull_fills_the_region_of_the_puller_and_nothing_else() {
    for format in formats() {
        for backends in [1, 2] {
            for length in [1, 8968, 100_000, 4 << 20] {
                let (mut lab, mut a, mut b) = pair(format, backends, Faults::default());
                let bytes = pattern(length);
                lab.register(0, &mut a, 9, &bytes);
                a.bind(1, 9, length as u32);
                lab.register(backends - 1, &mut b, 2, &vec![0; length + 1]);
                b.post(&pull(to(1, 3, 0xa), 2, length as u32), &[]);
                lab.run(Duration::from_millis(500));
                let done = b.events();
                assert!(
                    matches!(
                        done[..],
                        [(
                            Event {
                                body: EventBody::PullDone(PullDone {
                                    cookie: 77,
                                    status: PullStatus::Done,
                                    ..
                                }),
                                ..
                            },
                            _
                        )]
                    ),
                    "{done:?}"
                );
                let got = b.bytes(2);
                assert!(got[..length] == bytes && got[length] == 0);
            }
        }
    }
}

#[test]
fn pulls_complete_over_a_bad_wire_and_a_short_transmit_ring() {
    let faults = Faults {
        loss: 10,
        duplication: 10,
        reordering: 10,
        ..Faults::default()
    };
    for format in formats() {
        let (mut lab, mut a, mut b) = pair(format, 2, faults);
        lab.network.ring_size = 5;
        let bytes = pattern(1 << 20);
        lab.register(0, &mut a, 9, &bytes);
        a.bind(1, 9, 1 << 20);
        lab.register(1, &mut b, 2, &vec![0; 1 << 20]);
        b.post(&pull(to(1, 3, 0xa), 2, 1 << 20), &[]);
        let mut done = Vec::new();
        lab.until(|_| {
            done.extend(b.events());
            !done.is_empty()
        });
        assert!(matches!(
            done[..],
            [(
                Event {
                    body: EventBody::PullDone(PullDone {
                        status: PullStatus::Done,
                        ..
                    }),
                    ..
                },
                _
            )]
        ));
        assert!(b.bytes(2) == bytes);
    }
}

#[test]
fn flipped_bits_and_cut_frames_break_nothing() {
    let faults = Faults {
        loss: 3,
        corruption: 20,
        truncation: 20,
        ..Faults::default()
    };
    for format in formats() {
        let (mut lab, mut a, mut b) = pair(format, 2, faults);
        lab.register(0, &mut a, 9, &pattern(300_000));
        a.bind(1, 9, 300_000);
        lab.register(1, &mut b, 2, &vec![0; 300_000]);
        b.post(&pull(to(1, 3, 0xa), 2, 300_000), &[]);
        for seq in 0..60 {
            a.post(&tiny(to(1, 4, 0xb), seq), &[]);
            lab.run(Duration::from_millis(1));
            b.events();
        }
        lab.run(Duration::from_secs(30));
        // Whatever came of it: both endpoints close in good order.
        for (backend, guest) in [(0, &a), (1, &b)] {
            lab.backends[backend]
                .backend
                .close_endpoint(guest.key)
                .unwrap();
        }
        lab.run(Duration::from_millis(1));
        for backend in &lab.backends {
            assert!(matches!(
                backend.completions[..],
                [mx_backend::Completion::EndpointClosed(_)]
            ));
        }
    }
}

#[test]
fn processes_see_their_board_its_peers_and_its_counters() {
    let (mut lab, mut a, mut b) = pair(formats()[1], 2, Faults::default());
    a.post(&tiny(to(1, 4, 0xb), 1), &[]);
    lab.run(Duration::from_millis(100));
    assert_eq!(b.events().len(), 1);
    let pages = BoardPages::new(lab.backends[0].pages[0].slice()).unwrap();
    let board = pages.board().unwrap();
    assert_eq!((board.mac, board.mtu, board.generation), (mac(1), 9000, 3));
    assert_eq!(&board.hostname[..9], b"guest1:0\0");
    assert_eq!((board.peer_count, board.endpoint_max), (2, 32));
    assert!(board.link_up && board.peers_configured && !board.peers_full);
    let peer = pages.peer(1).unwrap();
    assert_eq!((peer.mac, peer.local), (mac(2), false));
    assert_eq!(&peer.hostname[..9], b"guest2:0\0");
    assert_eq!(pages.counter(Counter::SendTiny as usize), 1);
    let other = BoardPages::new(lab.backends[1].pages[0].slice()).unwrap();
    assert_eq!(other.counter(Counter::RecvTiny as usize), 1);
    lab.backends[0].backend.set_link_up(false);
    assert!(!pages.board().unwrap().link_up);
}
