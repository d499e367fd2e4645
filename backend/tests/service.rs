//! How a backend serves: sleep and wake, fair shares, closing, and processes that lie.

mod guest;

use core::time::Duration;

use guest::*;
use mx_backend::fake::Outbox;
use mx_backend::{Completion, EndpointError, InterfaceState, Misbehaviour, RegionError};
use mx_ring::board_page::BoardPages;
use mx_ring::control::Status;
use mx_ring::warning::{Notice, Notices, Warning};
use mx_ring::{EndpointLayout, Event, EventBody, Place};
use mx_testnet::Faults;
use mx_wire::{Beacon, Content, MacAddress, Medium, NackCode, NackLib};

fn one_backend() -> (Lab, Guest, Guest) {
    let mut lab = Lab::new(formats()[1], 1, Faults::default(), 5);
    let (a, b) = (lab.board(0, 1), lab.board(0, 2));
    let a = lab.open(0, a, 0, 0xa);
    let b = lab.open(0, b, 0, 0xb);
    (lab, a, b)
}

fn two_backends() -> (Lab, Guest, Guest) {
    let mut lab = Lab::new(formats()[1], 2, Faults::default(), 5);
    let (a, b) = (lab.board(0, 1), lab.board(1, 2));
    lab.meet(2);
    // Until the first beacons are over.
    lab.run(Duration::from_secs(20));
    let a = lab.open(0, a, 0, 0xa);
    let b = lab.open(1, b, 0, 0xb);
    (lab, a, b)
}

#[test]
fn what_a_board_finds_wrong_is_said_once_and_stands_in_its_pages_beside_what_its_interface_has() {
    let (mut lab, ..) = two_backends();
    let backend = &mut lab.backends[0];
    let payload = Beacon {
        board: mac(1),
        serial: 0x1234,
    }
    .payload();
    let mut frame = [0; 64];
    let beacon = Beacon::frame(mac(1), &payload).emit(&formats()[1], &mut frame);
    let mut said = Vec::new();
    for _ in 0..3 {
        backend
            .backend
            .frame(lab.now, &frame[..beacon.unwrap()], &mut Outbox::default());
        backend.backend.turn(
            lab.now,
            &mut Outbox::default(),
            &mut mx_backend::fake::Awake,
        );
        said.extend(std::iter::from_fn(|| backend.backend.next_warning()));
    }
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].1, Warning::OwnAddress);
    let pages = BoardPages::new(backend.pages[0].slice()).unwrap();
    let described = pages.board().unwrap();
    assert!(described.notices.has(Warning::OwnAddress));
    let mut faults = Notices::default();
    let once = Notice {
        times: 1,
        about: MacAddress::default(),
    };
    faults.set(Warning::ShortMtu, once);
    backend.backend.set_interface(&InterfaceState {
        name: *b"west\0\0\0\0\0\0\0\0\0\0\0\0",
        up: false,
        short_mtu: 1400,
        faults,
    });
    let described = pages.board().unwrap();
    let present: Vec<_> = described.notices.present().map(|(it, _)| it).collect();
    assert_eq!(present, [Warning::OwnAddress, Warning::ShortMtu]);
    assert!(described.interface.starts_with(b"west\0") && !described.link_up);
    assert_eq!(described.interface_mtu, 1400);
}

#[test]
fn an_idle_endpoint_asks_for_a_kick_and_is_polled_again_after_it() {
    let (mut lab, mut a, mut b) = one_backend();
    assert!(!a.process.kick_needed());
    lab.run(Duration::from_millis(1));
    assert!(!lab.backends[0].activity.busy);
    assert!(a.process.kick_needed() && b.process.kick_needed());
    a.post(&tiny(to(1, 0, 0xb), 1), &[]);
    lab.run(Duration::from_millis(1));
    assert!(b.events().is_empty(), "nobody was told to look");
    let now = lab.now;
    lab.backends[0].backend.kicked(now, a.key);
    assert!(!a.process.kick_needed());
    lab.turn();
    assert_eq!(b.events().len(), 1);
    assert!(lab.backends[0].activity.busy, "it is polled for a spell");
    lab.run(Duration::from_millis(1));
    assert!(a.process.kick_needed());
}

#[test]
fn without_a_spell_the_turn_that_serves_a_kick_is_the_only_one() {
    let (mut lab, mut a, mut b) = one_backend();
    lab.backends[0].backend.set_idle_spell(Duration::ZERO);
    lab.run(Duration::from_millis(1));
    assert!(a.process.kick_needed());
    a.post(&tiny(to(1, 0, 0xb), 1), &[]);
    let now = lab.now;
    lab.backends[0].backend.kicked(now, a.key);
    lab.turn();
    assert_eq!(b.events().len(), 1);
    let activity = lab.backends[0].activity;
    assert!(activity.worked && !activity.busy);
    assert!(a.process.kick_needed(), "the next command needs a kick");
}

#[test]
fn a_sleeper_is_woken_once_and_only_if_it_armed_itself() {
    let (mut lab, mut a, b) = one_backend();
    a.post(&tiny(to(1, 0, 0xb), 1), &[]);
    lab.turn();
    assert!(lab.backends[0].woken.0.is_empty());
    b.process.arm();
    for seq in 2..5 {
        a.post(&tiny(to(1, 0, 0xb), seq), &[]);
    }
    lab.turn();
    assert_eq!(lab.backends[0].woken.0, [b.key]);
    a.post(&tiny(to(1, 0, 0xb), 5), &[]);
    lab.turn();
    assert_eq!(lab.backends[0].woken.0.len(), 1);
}

#[test]
fn a_turn_takes_a_bounded_number_of_commands() {
    let (mut lab, mut a, mut b) = one_backend();
    for seq in 0..60 {
        a.post(&tiny(to(1, 0, 0xb), seq), &[]);
    }
    lab.turn();
    assert_eq!(b.events().len(), 16);
    lab.turn();
    assert_eq!(b.events().len(), 16);
}

#[test]
fn a_guest_with_many_greedy_endpoints_takes_no_more_than_its_share() {
    let mut lab = Lab::new(formats()[1], 2, Faults::default(), 5);
    let greedy = lab.board(0, 1);
    let modest = lab.board(0, 2);
    let sink = lab.board(1, 3);
    lab.meet(3);
    let mut sink = lab.open(1, sink, 0, 0xc);
    let mut crowd: Vec<_> = (0..30).map(|n| lab.open(0, greedy, n, 0xa)).collect();
    let mut quiet = lab.open(0, modest, 0, 0xb);
    let big = |peer| {
        message(
            to(peer, 0, 0xc),
            (1, 1),
            Content::Medium(Medium {
                match_info: 0,
                total: 8192,
                length: 8192,
                fragment: 0,
            }),
            Place::At(0),
        )
    };
    let peer_of = |lab: &Lab, board: usize| {
        let pages = lab.backends[0].pages[board].slice();
        let pages = mx_ring::board_page::BoardPages::new(pages).unwrap();
        (0..3)
            .find(|n| pages.peer(*n).is_some_and(|peer| peer.mac == mac(3)))
            .unwrap()
    };
    let (from_greedy, from_modest) = (peer_of(&lab, 0), peer_of(&lab, 1));
    for guest in &mut crowd {
        for _ in 0..60 {
            guest.post(&big(from_greedy), &[]);
        }
    }
    for _ in 0..8 {
        quiet.post(&big(from_modest), &[]);
    }
    let mut modest_done = None;
    let mut greedy_taken = 0;
    for turn in 0..4 {
        lab.turn();
        greedy_taken = crowd.iter().map(|g| 60 - waiting(g)).sum();
        if modest_done.is_none() && waiting(&quiet) == 0 {
            modest_done = Some(turn);
        }
        lab.now = lab.now + Duration::from_micros(1);
    }
    // 64 KiB a turn for a guest: 8 fragments, whoever of its endpoints sends them.
    assert!(modest_done.is_some_and(|turn| turn <= 2), "{modest_done:?}");
    assert!(
        greedy_taken <= 4 * 12,
        "{greedy_taken} fragments in 4 turns"
    );
    assert!(greedy_taken >= 8);
    lab.run(Duration::from_millis(1));
    assert!(!sink.events().is_empty());
}

/// Commands that the backend has not taken yet, by the process's view.
fn waiting(guest: &Guest) -> u32 {
    let posted = guest.process.next_command_index();
    let mut cons = [0; 4];
    guest.r.slice().read(64, &mut cons).unwrap();
    posted - u32::from_le_bytes(cons)
}

#[test]
fn commands_and_their_bytes_are_given_back_only_when_the_card_has_read_them() {
    let (mut lab, mut a, mut b) = two_backends();
    a.process.write_transmit(0, &pattern(8192)).unwrap();
    a.post(
        &message(
            to(1, 0, 0xb),
            (1, 1),
            Content::Medium(Medium {
                match_info: 0,
                total: 8192,
                length: 8192,
                fragment: 0,
            }),
            Place::At(0),
        ),
        &[],
    );
    a.post(&tiny(to(1, 0, 0xb), 2), &[]);
    lab.turn();
    assert_eq!(a.process.sent(), 0);
    lab.run(Duration::from_millis(1));
    assert_eq!(a.process.sent(), 2);
    assert_eq!(b.events()[0].1, pattern(8192));
}

/// A pull reply of `a`'s region lies in a transmit ring that nothing leaves.
fn stuck_reply() -> (Lab, Guest, Guest) {
    let (mut lab, mut a, mut b) = two_backends();
    lab.register(0, &mut a, 1, &pattern(8000));
    a.bind(1, 1, 8000);
    lab.register(1, &mut b, 2, &pattern(8000));
    b.post(&pull(to(1, 0, 0xa), 2, 8000), &[]);
    lab.turn();
    while lab.network.in_ring(0) == 0 {
        lab.now = lab.network.next().unwrap();
        lab.turn();
    }
    lab.network.link_up = false;
    (lab, a, b)
}

#[test]
fn a_region_is_released_when_the_last_frame_that_reads_it_has_left() {
    let (mut lab, a, _b) = stuck_reply();
    let backend = &mut lab.backends[0].backend;
    backend.deregister_region(a.key, region(1)).unwrap();
    assert_eq!(
        backend.deregister_region(a.key, region(1)),
        Err(RegionError::Busy)
    );
    lab.run(Duration::from_millis(100));
    assert!(lab.backends[0].completions.is_empty());
    assert!(!lab.backends[0].backend.overdue(lab.now));
    lab.network.link_up = true;
    lab.run(Duration::from_millis(1));
    assert_eq!(
        lab.backends[0].completions,
        [Completion::RegionReleased(a.key, region(1))]
    );
    let backend = &mut lab.backends[0].backend;
    assert_eq!(
        backend.deregister_region(a.key, region(1)),
        Err(RegionError::NotFound)
    );
}

#[test]
fn a_ring_that_nothing_leaves_is_overdue_after_200_ms_and_its_reset_completes_the_close() {
    let (mut lab, a, _b) = stuck_reply();
    lab.backends[0].backend.close_endpoint(a.key).unwrap();
    assert_eq!(
        lab.backends[0].backend.close_endpoint(a.key),
        Err(EndpointError::Busy)
    );
    lab.run(Duration::from_millis(199));
    assert!(!lab.backends[0].backend.overdue(lab.now));
    lab.run(Duration::from_millis(2));
    assert!(lab.backends[0].backend.overdue(lab.now));
    assert!(lab.backends[0].completions.is_empty());
    lab.network.reset_ring(0);
    lab.turn();
    assert_eq!(
        lab.backends[0].completions,
        [Completion::EndpointClosed(a.key)]
    );
    assert!(!lab.backends[0].backend.overdue(lab.now));
    lab.open(0, a.key.board, a.key.endpoint, 0xaa);
}

#[test]
fn a_board_is_removed_after_its_endpoints_and_is_a_stranger_to_its_neighbours_then() {
    let (mut lab, a, b) = one_backend();
    let backend = &mut lab.backends[0].backend;
    backend.remove_board(a.key.board);
    assert!(backend.board(a.key.board).is_none());
    lab.turn();
    assert_eq!(
        lab.backends[0].completions,
        [
            Completion::EndpointClosed(a.key),
            Completion::BoardRemoved(a.key.board)
        ]
    );
    let pages = mx_ring::board_page::BoardPages::new(lab.backends[0].pages[1].slice()).unwrap();
    let peer = pages.peer(1).unwrap();
    assert_eq!((peer.mac, peer.local), (mac(1), false));
    // The same guest comes back: the same index means it again.
    let again = lab.board(0, 1);
    assert!(pages.peer(1).unwrap().local);
    let mut a = lab.open(0, again, 0, 0xa);
    let mut b = b;
    a.post(&tiny(to(1, 0, 0xb), 1), &[]);
    lab.turn();
    assert!(
        matches!(b.events()[..], [(Event { from, body: EventBody::Message(_, Place::Inline(_)) }, _)] if from.peer == 1)
    );
}

/// What becomes of a process that lies, while its neighbour goes on.
fn misbehave(lie: impl FnOnce(&mut Guest)) -> Misbehaviour {
    let (mut lab, mut a, mut b) = one_backend();
    lie(&mut a);
    lab.turn();
    let [
        Completion::Misbehaved(key, what),
        Completion::EndpointClosed(closed),
    ] = lab.backends[0].completions[..]
    else {
        panic!("{:?}", lab.backends[0].completions)
    };
    assert_eq!((key, closed), (a.key, a.key));
    assert_eq!(a.process.status(), Status::Misbehaved as u32);
    assert_eq!(b.process.status(), 0);
    // To the neighbour, its endpoint is closed; the neighbour's own works.
    b.post(&tiny(to(1, 0, 0xa), 9), &[]);
    lab.turn();
    assert!(matches!(
        b.events()[..],
        [(
            Event {
                body: EventBody::Nack(NackLib {
                    seq: 9,
                    code: NackCode::EndpointClosed,
                }),
                ..
            },
            _
        )]
    ));
    what
}

#[test]
fn an_entry_without_a_meaning_closes_the_endpoint_alone() {
    let what = misbehave(|guest| {
        let slice = guest.w.slice();
        slice.write(EndpointLayout::COMMANDS, &[0xff; 60]).unwrap();
        slice
            .write(EndpointLayout::COMMANDS + 60, &1_u32.to_le_bytes())
            .unwrap();
    });
    assert!(matches!(what, Misbehaviour::Descriptor(_)));
}

/// Posts a fragment of a message that has one of 1000 bytes.
fn post_fragment(guest: &mut Guest, fragment: u8, offset: u32) {
    let medium = Medium {
        match_info: 0,
        total: 1000,
        length: 1000,
        fragment,
    };
    let content = Content::Medium(medium);
    let command = message(to(1, 0, 0xb), (1, 1), content, Place::At(offset));
    guest.post(&command, &[]);
}

#[test]
fn a_fragment_outside_of_the_transmit_area_closes_the_endpoint_alone() {
    let what = misbehave(|guest| post_fragment(guest, 0, (64 << 10) - 999));
    assert_eq!(what, Misbehaviour::OutOfArea);
}

#[test]
fn a_fragment_that_contradicts_itself_closes_the_endpoint_alone() {
    let what = misbehave(|guest| post_fragment(guest, 1, 0));
    assert!(matches!(what, Misbehaviour::Command(_)));
}

#[test]
fn an_impossible_consumer_index_closes_the_endpoint_alone() {
    let (mut lab, a, mut b) = one_backend();
    a.w.slice().write(64, &77_u32.to_le_bytes()).unwrap();
    b.post(&tiny(to(1, 0, 0xa), 1), &[]);
    lab.turn();
    assert_eq!(
        lab.backends[0].completions,
        [
            Completion::Misbehaved(a.key, Misbehaviour::ImpossibleIndex),
            Completion::EndpointClosed(a.key)
        ]
    );
    assert_eq!(b.process.status(), 0);
}

#[test]
fn regions_must_be_of_whole_pages_inside_and_slots_are_not_shared() {
    let (mut lab, mut a, _b) = one_backend();
    lab.register(0, &mut a, 1, &pattern(10_000));
    let slice = a.memory[0].1.slice();
    let part = |at, length| slice.part(at, length).unwrap();
    let backend = &mut lab.backends[0].backend;
    let mut register = |slot, parts| backend.register_region(a.key, region(slot), true, parts);
    assert_eq!(register(1, vec![slice]), Err(RegionError::Busy));
    assert_eq!(register(2, vec![]), Err(RegionError::BadParts));
    assert_eq!(
        register(2, vec![part(0, 10), part(10, 20), part(30, 40)]),
        Err(RegionError::BadParts)
    );
    assert_eq!(register(u16::MAX, vec![slice]), Err(RegionError::BadSlot));
    assert_eq!(
        register(2, vec![part(0, 10), part(10, 4096), part(4106, 5)]),
        Ok(())
    );
}

#[test]
fn the_number_of_a_board_means_no_other_one_before_its_removal_is_told() {
    let (mut lab, a, b) = one_backend();
    let backend = &mut lab.backends[0].backend;
    backend.remove_board(a.key.board);
    backend.remove_board(b.key.board);
    let early = lab.board(0, 3);
    assert!(![a.key.board, b.key.board].contains(&early));
    let backend = &mut lab.backends[0].backend;
    let mut removed = Vec::new();
    while let Some(completion) = backend.next_completion() {
        if let Completion::BoardRemoved(board) = completion {
            removed.push(board);
        }
    }
    assert_eq!(removed, [a.key.board, b.key.board]);
    assert!(backend.board(a.key.board).is_none(), "and then it is gone");
    assert_eq!(lab.board(0, 4), a.key.board);
}
