//! A card whose link goes and comes, and a card that stops: the guests are told, and frames go on by themselves.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use driver_domain::wire_link::{Reopen, Wire};
use mx_backend::{Backend, BackendConfig, HostName, Instant};
use mx_nic::fake::{self, ADDRESSES, pair};
use mx_nic::{Fault, LinkState, Nic, Token};
use mx_ring::PAGE_SIZE;
use mx_ring::board_page::{BoardPages, PAGES};
use mx_ring::mapping::Memfd;
use mx_testnet::Faults;
use mx_wire::{Format, MacAddress};

/// A backend with one board, and the pages that the guest sees of it.
fn backend() -> (Backend, Memfd) {
    let mut backend = Backend::new(BackendConfig {
        format: Format::native(9000).unwrap(),
        generation: 1,
        endpoint_max: 8,
        queue_entries: mx_ring::QUEUE_ENTRIES,
        interface: [0; 16],
        driver: [0; 16],
        idle_spell: Duration::from_micros(50),
        seed: 7,
    });
    let memory = Memfd::create("board", PAGES * PAGE_SIZE).unwrap();
    let pages = BoardPages::new(memory.slice()).unwrap();
    pages.format();
    let (mac, name) = (MacAddress([2, 0, 0, 0, 0, 1]), HostName::new(b"guest1:0"));
    backend
        .add_board(Instant::from_nanos(1), mac, name, pages)
        .unwrap();
    (backend, memory)
}

fn guest_sees_link(memory: &Memfd) -> bool {
    let pages = BoardPages::new(memory.slice()).unwrap();
    pages.board().unwrap().link_up
}

fn never() -> Reopen {
    Box::new(|| None)
}

#[test]
fn a_guest_is_told_of_a_link_that_goes_and_of_one_that_comes_and_frames_go_on() {
    let (cable, left, mut right) = pair(1, Faults::NONE);
    let mut wire = Wire::new(Some((Box::new(left), never())), Box::new(|_| None));
    let (mut backend, memory) = backend();
    for second in 0..6 {
        let up = second % 2 == 0;
        cable.set_link(if up { LinkState::Up } else { LinkState::Down });
        wire.look(Duration::from_secs(second), &mut backend);
        assert_eq!((guest_sees_link(&memory), wire.link()), (up, Some(up)));
        assert!(wire.send(&[7; 60]));
        wire.flush();
        wire.completed(&mut backend);
        if let Some(time) = cable.next_arrival() {
            cable.advance(time);
        }
        let came = right.receive(0, 10, &mut |frame| assert_eq!(frame, [7; 60]));
        assert_eq!(came, usize::from(up));
    }
}

#[test]
fn a_guest_without_a_card_behind_it_sees_no_link() {
    let mut wire = Wire::new(None, Box::new(|_| None));
    let (mut backend, memory) = backend();
    wire.look(Duration::ZERO, &mut backend);
    assert_eq!((guest_sees_link(&memory), wire.link()), (false, None));
}

#[test]
fn a_card_that_was_given_up_is_gone_for_good_and_guests_see_no_link() {
    let (cable, left, mut right) = pair(1, Faults::NONE);
    let opens = Rc::new(Cell::new(0));
    let counted = opens.clone();
    let reopen: Reopen = Box::new(move || {
        counted.set(counted.get() + 1);
        None
    });
    let mut wire = Wire::new(Some((Box::new(left), reopen)), Box::new(|_| None));
    let (mut backend, memory) = backend();
    wire.look(Duration::ZERO, &mut backend);
    assert_eq!((guest_sees_link(&memory), wire.link()), (true, Some(true)));
    wire.give_up(&mut backend);
    assert_eq!((guest_sees_link(&memory), wire.link()), (false, None));
    assert!(wire.nic().is_none() && wire.in_flight() == 0);
    for second in 1..4 {
        wire.look(Duration::from_secs(second), &mut backend);
        assert!(!wire.send(&[7; 60]));
    }
    wire.reset(&mut backend);
    assert_eq!((opens.get(), wire.link()), (0, None));
    assert_eq!(cable.next_arrival(), None);
    assert_eq!(right.receive(0, 10, &mut |_| ()), 0);
}

#[test]
fn a_card_that_was_stopped_is_opened_anew_and_frames_go_on() {
    let (_, mut broken, _) = pair(1, Faults::NONE);
    broken.fail(Fault::NeedsReset);
    let (cable, good, mut peer) = pair(1, Faults::NONE);
    // At first the card does not open.
    let opens = Rc::new(Cell::new(0));
    let (counted, mut good) = (opens.clone(), Some(good));
    let reopen: Reopen = Box::new(move || {
        counted.set(counted.get() + 1);
        let nic = good.take_if(|_| counted.get() > 1)?;
        Some(Box::new(nic))
    });
    let mut wire = Wire::new(Some((Box::new(broken), reopen)), Box::new(|_| None));
    let (mut backend, memory) = backend();
    assert!(!wire.send(&[0; 60]));
    wire.look(Duration::from_secs(1), &mut backend);
    assert_eq!((opens.get(), guest_sees_link(&memory)), (1, false));
    wire.look(Duration::from_secs(2), &mut backend);
    assert_eq!((opens.get(), guest_sees_link(&memory)), (2, true));
    assert!(wire.send(&[7; 60]));
    wire.flush();
    cable.advance(cable.next_arrival().unwrap());
    let came = peer.receive(0, 10, &mut |frame| assert_eq!(frame, [7; 60]));
    assert_eq!(came, 1);
    wire.look(Duration::from_secs(3), &mut backend);
    assert_eq!(opens.get(), 2);
}

/// Frames that the wire takes of those to three addresses: a board's, a stranger's, everybody's.
fn taken(
    wire: &mut Wire,
    backend: &mut Backend,
    cable: &fake::Wire,
    peer: &mut impl Nic,
) -> Vec<u8> {
    for last in [1, 9] {
        let mut frame = [7; 60];
        frame[..6].copy_from_slice(&[2, 0, 0, 0, 0, last]);
        peer.transmit(0, &[&frame], &[], Token(0)).unwrap();
    }
    let mut frame = [7; 60];
    frame[..6].fill(0xff);
    peer.transmit(0, &[&frame], &[], Token(0)).unwrap();
    peer.flush(0);
    while let Some(time) = cable.next_arrival() {
        cable.advance(time);
    }
    let mut seen = Vec::new();
    wire.receive(Instant::from_nanos(1), backend, |frame| {
        seen.push(frame[5]);
        true
    });
    seen
}

#[test]
fn a_card_takes_frames_of_boards_alone_as_they_come_and_go_and_after_it_was_opened_anew() {
    let (cable, left, mut peer) = pair(1, Faults::NONE);
    let (cable2, left2, mut peer2) = pair(1, Faults::NONE);
    let mut spare = Some(left2);
    let reopen: Reopen = Box::new(move || spare.take().map(|nic| Box::new(nic) as Box<dyn Nic>));
    let mut wire = Wire::new(Some((Box::new(left), reopen)), Box::new(|_| None));
    let (mut backend, _memory) = backend();
    assert_eq!(
        taken(&mut wire, &mut backend, &cable, &mut peer),
        [1, 9, 255]
    );
    wire.set_addresses(vec![]);
    assert_eq!(taken(&mut wire, &mut backend, &cable, &mut peer), [255]);
    wire.set_addresses(vec![[2, 0, 0, 0, 0, 1]]);
    assert_eq!(taken(&mut wire, &mut backend, &cable, &mut peer), [1, 255]);
    // More boards than the card has places for: everything comes in.
    let many = (0..=ADDRESSES).map(|last| [2, 0, 0, 1, 0, last as u8]);
    wire.set_addresses(many.collect());
    assert_eq!(
        taken(&mut wire, &mut backend, &cable, &mut peer),
        [1, 9, 255]
    );
    wire.set_addresses(vec![[2, 0, 0, 0, 0, 9]]);
    wire.reset(&mut backend);
    assert_eq!(
        taken(&mut wire, &mut backend, &cable2, &mut peer2),
        [9, 255]
    );
}
