//! A backend dies, and another one takes over.

use std::task::Poll;

use mx_ring::RegionKey;
use mx_ring::admin::Change;
use mx_ring::control::{ControlRequest, Status};
use mx_ring::sleep::EndpointWatch;
use open_mx_frontend::endpoint::Process;
use open_mx_frontend::endpoint_id::EndpointId;
use open_mx_frontend::errno::Errno;
use open_mx_frontend::kernel::Kernel;

use crate::guest::{Guest, respond_all};
use crate::model::{BACKEND, Backend, SPACE};

const SUCCESSOR: u16 = BACKEND + 1;

/// What was asked, in short: adopted endpoints, registered regions, and the rest.
#[derive(Debug, PartialEq)]
enum Asked {
    Adopt(u8),
    Open(u8),
    Register(u8, RegionKey),
    Ready,
    Other(ControlRequest),
}

fn asked(request: ControlRequest) -> Asked {
    match request {
        ControlRequest::OpenEndpoint {
            endpoint,
            adopt: true,
            session: 0x1234,
            ..
        } => Asked::Adopt(endpoint),
        ControlRequest::OpenEndpoint { endpoint, .. } => Asked::Open(endpoint),
        ControlRequest::Register {
            endpoint, region, ..
        } => Asked::Register(endpoint, region),
        ControlRequest::Ready => Asked::Ready,
        other => Asked::Other(other),
    }
}

fn serve(guest: &mut Guest) -> Vec<Asked> {
    guest.serve(Status::Ok).into_iter().map(asked).collect()
}

fn watch(guest: &Guest, id: EndpointId) -> EndpointWatch {
    let (board, _) = guest.board();
    let r0 = board.at(id.index, |endpoint| endpoint.r0()).flatten();
    EndpointWatch::new(guest.model.slice(r0.unwrap(), 1)).unwrap()
}

/// Sets a word of an endpoint's R0, as its backend does.
fn backend_sets(guest: &Guest, id: EndpointId, offset: usize, value: u32) {
    let (board, _) = guest.board();
    let r0 = board.at(id.index, |endpoint| endpoint.r0()).flatten();
    let slice = guest.model.slice(r0.unwrap(), 1);
    slice.write(offset, &value.to_le_bytes()).unwrap();
}

fn is_usable(guest: &Guest, id: EndpointId) -> Result<(), Errno> {
    guest.board().0.usable(id, SPACE, |_| ())
}

#[test]
fn endpoints_and_regions_outlive_their_backend_and_the_next_one_gets_all_of_them_before_ready() {
    let mut guest = Guest::new();
    let first = guest.open();
    let second = guest.open();
    let (key, _) = guest.registered_region(second);
    let (uses, notes) = guest.process(second);
    assert!(uses.begin(&notes, key), "a message is under way");
    let granted = guest.model.world().held();
    guest.succeeded(SUCCESSOR);
    assert!(guest.backend.adopting);
    let woken = guest.model.world().woken;
    assert_eq!(
        serve(&mut guest),
        [
            Asked::Adopt(first.index),
            Asked::Adopt(second.index),
            Asked::Register(second.index, key),
            Asked::Ready,
        ]
    );
    assert!(guest.model.world().woken >= woken + 256, "all look");
    assert_eq!(guest.model.world().held(), granted, "the same pages");
    for id in [first, second] {
        assert_eq!(is_usable(&guest, id), Ok(()));
        assert!(!watch(&guest, id).has_events(0, 0), "nobody is told of it");
    }
    uses.end(key);
    assert!(uses.begin(&notes, key), "it is valid as before");
    uses.end(key);
    guest.deregister(second, key).unwrap();
    guest.serve(Status::Ok);
    assert_eq!(guest.deregistered(second, key), Poll::Ready(true));
    guest.end();
}

#[test]
fn who_opens_an_endpoint_on_a_board_that_nobody_used_when_its_backend_went_waits_for_the_next_one()
{
    let mut guest = Guest::new();
    let (board, shared) = guest.board();
    board.orphan(shared);
    assert_eq!(board.shows(), Err(Errno::NO_DEVICE), "nothing to look at");
    let Poll::Ready(Ok(id)) = guest.begin_open(None, None) else {
        panic!("begins")
    };
    assert_eq!(guest.opened(id), Poll::Pending);
    assert_eq!(guest.board().0.shows(), Ok(()));
    guest.succeeded(SUCCESSOR);
    assert_eq!(serve(&mut guest), [Asked::Ready, Asked::Open(id.index)]);
    assert!(matches!(guest.opened(id), Poll::Ready(Ok(_))));
    guest.end();
}

#[test]
fn no_page_is_granted_to_another_backend_while_the_old_one_maps_any() {
    let mut guest = Guest::new();
    let id = guest.open();
    guest.registered_region(id);
    let (board, shared) = guest.board();
    board.orphan(shared);
    for _ in 0..3 {
        assert_eq!(board.attach(shared, SUCCESSOR), Err(Errno::BUSY));
        assert!(!board.release(shared));
    }
    guest.backend.dies();
    let (board, shared) = guest.board();
    assert!(board.release(shared));
    assert_eq!(guest.model.world().held().1, 0, "nothing is granted");
    guest.end();
}

#[test]
fn who_asks_while_there_is_no_backend_waits_for_the_next_one() {
    let mut guest = Guest::new();
    let id = guest.open();
    let (ready, _) = guest.registered_region(id);
    let (board, shared) = guest.board();
    board.orphan(shared);
    assert_eq!(is_usable(&guest, id), Ok(()));
    let key = guest.register(id, 5, true).unwrap();
    let Poll::Ready(Ok(other)) = guest.begin_open(None, None) else {
        panic!("begins")
    };
    let change = |guest: &Guest| {
        let (board, shared) = guest.board();
        board.change(shared, 1, &Change::ClearPeers)
    };
    assert_eq!(change(&guest), Poll::Pending);
    assert_eq!(guest.registered(id, key), Poll::Pending);
    assert_eq!(guest.opened(other), Poll::Pending);
    // What no backend has is given back at once.
    guest.deregister(id, ready).unwrap();
    let (board, shared) = guest.board();
    let Poll::Ready(Some(pages)) = board.deregistered(id, ready) else {
        panic!("no backend is asked")
    };
    shared.give_back(pages);
    guest.backend.dies();
    let (board, shared) = guest.board();
    let ring_ref = board.attach(shared, SUCCESSOR).unwrap();
    board.connect(shared);
    guest.backend = Backend::new(&guest.model, SUCCESSOR, ring_ref);
    assert_eq!(change(&guest), Poll::Pending);
    assert_eq!(
        serve(&mut guest),
        [
            Asked::Adopt(id.index),
            Asked::Ready,
            Asked::Register(id.index, key),
            Asked::Open(other.index),
        ]
    );
    assert_eq!(guest.registered(id, key), Poll::Ready(Ok(())));
    assert_eq!(guest.opened(other), Poll::Ready(Ok(0x1234)));
    assert_eq!(change(&guest), Poll::Pending);
    guest.serve(Status::Ok);
    assert_eq!(change(&guest), Poll::Ready(Ok(())));
    guest.end();
}

#[test]
fn what_was_under_way_when_the_backend_died_comes_to_its_end_with_the_next_one() {
    let mut guest = Guest::new();
    let [id, closing] = [guest.open(), guest.open()];
    let (leaving, _) = guest.registered_region(id);
    guest.deregister(id, leaving).unwrap();
    guest.close(closing);
    let Poll::Ready(Ok(opening)) = guest.begin_open(Some(7), None) else {
        panic!("begins")
    };
    let key = guest.register(id, 5, true).unwrap();
    while guest.backend.take() {}
    guest.succeeded(SUCCESSOR);
    guest.frontend.shared.reap();
    assert_eq!(guest.deregistered(id, leaving), Poll::Ready(true));
    let served = serve(&mut guest);
    assert_eq!(served.len(), 4);
    for adopted in [id, opening] {
        assert!(served[..2].contains(&Asked::Adopt(adopted.index)));
    }
    assert_eq!(served[2..], [Asked::Ready, Asked::Register(id.index, key)]);
    assert_eq!(guest.registered(id, key), Poll::Ready(Ok(())));
    assert_eq!(guest.opened(opening), Poll::Ready(Ok(0x1234)));
    assert_eq!(is_usable(&guest, closing), Err(Errno::NO_DEVICE));
    guest.end();
}

#[test]
fn processes_that_end_while_there_is_no_backend_leave_nothing_to_the_next_one() {
    let mut guest = Guest::new();
    let kept = guest.open();
    let id = guest.open();
    guest.registered_region(id);
    let (board, shared) = guest.board();
    board.orphan(shared);
    let Poll::Ready(Ok(opening)) = guest.begin_open(None, None) else {
        panic!("begins")
    };
    for id in [id, opening] {
        guest.close(id);
    }
    guest.backend.dies();
    guest.frontend.shared.reap();
    assert_eq!(guest.model.world().held().0, 17 + 41);
    let (board, shared) = guest.board();
    let ring_ref = board.attach(shared, SUCCESSOR).unwrap();
    board.connect(shared);
    guest.backend = Backend::new(&guest.model, SUCCESSOR, ring_ref);
    assert_eq!(serve(&mut guest), [Asked::Adopt(kept.index), Asked::Ready]);
    guest.end();
}

#[test]
fn an_endpoint_that_closes_while_it_is_adopted_keeps_the_board_from_nothing() {
    let mut guest = Guest::new();
    let ids = [guest.open(), guest.open()];
    guest.registered_region(ids[1]);
    guest.succeeded(SUCCESSOR);
    // One is under way, the other's region is not yet.
    assert!(guest.backend.take());
    for id in ids {
        guest.close(id);
    }
    guest.backend.answer(0, Status::Ok, false);
    respond_all(&guest.frontend);
    let served = serve(&mut guest);
    assert_eq!(
        served
            .iter()
            .filter(|asked| **asked == Asked::Ready)
            .count(),
        1
    );
    assert!(guest.backend.serves().is_empty(), "all is closed after");
    guest.end();
}

#[test]
fn a_successor_may_die_at_any_step_of_its_adoption() {
    for steps in 0..8 {
        let mut guest = Guest::new();
        let ids = [guest.open(), guest.open()];
        let keys = ids.map(|id| guest.registered_region(id).0);
        guest.succeeded(SUCCESSOR);
        for _ in 0..steps {
            if guest.backend.take() {
                guest.backend.answer(0, Status::Ok, false);
                respond_all(&guest.frontend);
            }
        }
        guest.succeeded(SUCCESSOR + 1);
        let served = serve(&mut guest);
        assert_eq!(served.last(), Some(&Asked::Ready), "after {steps}");
        for (id, key) in ids.into_iter().zip(keys) {
            assert!(served.contains(&Asked::Adopt(id.index)));
            assert!(served.contains(&Asked::Register(id.index, key)));
        }
        guest.end();
    }
}

#[test]
fn a_successor_that_refuses_something_costs_that_endpoint_alone() {
    for refused in 0..3 {
        let mut guest = Guest::new();
        let ids = [guest.open(), guest.open()];
        guest.registered_region(ids[0]);
        guest.succeeded(SUCCESSOR);
        let mut lost = None;
        for number in 0.. {
            if !guest.backend.take() {
                break;
            }
            let status = match number == refused {
                true => Status::NoSpace,
                false => Status::Ok,
            };
            let asked = asked(guest.backend.answer(0, status, false));
            if let (Asked::Adopt(of) | Asked::Register(of, _), Status::NoSpace) = (asked, status) {
                lost = Some(of);
            }
            respond_all(&guest.frontend);
        }
        assert!(!guest.backend.adopting, "it is told that it has all");
        for id in ids {
            let is_lost = lost == Some(id.index);
            let expected = if is_lost { Err(Errno::IO) } else { Ok(()) };
            assert_eq!(is_usable(&guest, id), expected, "{refused}");
            assert_eq!(watch(&guest, id).is_closed(), is_lost);
            guest.close(id);
        }
        guest.serve(Status::Ok);
        guest.frontend.shared.reap();
        assert_eq!(guest.model.world().held().0, 17);
        guest.end();
    }
}

#[test]
fn an_endpoint_that_the_dead_backend_had_closed_stays_closed() {
    let mut guest = Guest::new();
    let [closed, kept] = [guest.open(), guest.open()];
    backend_sets(&guest, closed, 192, Status::Misbehaved as u32);
    guest.succeeded(SUCCESSOR);
    assert_eq!(serve(&mut guest), [Asked::Adopt(kept.index), Asked::Ready]);
    assert_eq!(is_usable(&guest, closed), Err(Errno::IO));
    guest.close(closed);
    assert!(serve(&mut guest).is_empty(), "the backend does not know it");
    guest.end();
}

#[test]
fn a_process_is_not_asked_to_kick_a_backend_that_is_gone() {
    let mut guest = Guest::new();
    let id = guest.open();
    backend_sets(&guest, id, 0, 1);
    let (board, shared) = guest.board();
    board.orphan(shared);
    let r0 = board.at(id.index, |endpoint| endpoint.r0()).flatten();
    let mut kick = [9; 4];
    let slice = guest.model.slice(r0.unwrap(), 1);
    slice.read(0, &mut kick).unwrap();
    assert_eq!(kick, [0; 4]);
    guest.end();
}

#[test]
fn a_raw_endpoint_is_opened_again_and_frames_without_a_backend_are_lost() {
    let mut guest = Guest::new();
    let (board, shared) = guest.board();
    let process = Process {
        pid: 1,
        command: [0; 16],
    };
    board.open_raw(shared, 5, process).unwrap();
    guest.serve(Status::Ok);
    let (board, shared) = guest.board();
    assert_eq!(board.raw_opened(5), Poll::Ready(Ok(())));
    board.orphan(shared);
    assert_eq!(board.send_raw(shared, 5, &[1]), Poll::Ready(Ok(())));
    assert_eq!(board.raw_waits(5), Ok(false));
    guest.succeeded(SUCCESSOR);
    let open = Asked::Other(ControlRequest::Raw { open: true });
    assert_eq!(serve(&mut guest), [Asked::Ready, open]);
    // One that refuses it ends it.
    guest.succeeded(SUCCESSOR + 1);
    assert!(guest.backend.take());
    guest.backend.answer(0, Status::Ok, false);
    respond_all(&guest.frontend);
    guest.serve(Status::Denied);
    let (board, _) = guest.board();
    assert_eq!(board.raw_waits(5), Err(Errno::NO_DEVICE));
    guest.end();
}

#[test]
fn when_no_other_backend_comes_everybody_is_told_as_ever() {
    let mut guest = Guest::new();
    let id = guest.open();
    let (board, shared) = guest.board();
    board.orphan(shared);
    let key = guest.register(id, 5, true).unwrap();
    let (board, shared) = guest.board();
    board.detach(shared);
    assert_eq!(
        guest.registered(id, key),
        Poll::Ready(Err(Errno::NO_DEVICE))
    );
    assert_eq!(board.exists(), Err(Errno::NO_DEVICE));
    guest.end();
}

#[test]
fn what_is_stale_is_given_back_without_a_backend_too() {
    let mut guest = Guest::new();
    let id = guest.open();
    let (key, watch) = guest.registered_region(id);
    let (board, shared) = guest.board();
    board.orphan(shared);
    guest.model.change(watch);
    guest.sweep(id);
    guest.backend.dies();
    guest.frontend.shared.reap();
    assert_eq!(guest.model.world().accounted, 0);
    assert_eq!(guest.deregister(id, key), Err(Errno::INVALID));
    guest.end();
}

#[test]
fn grants_that_run_out_delay_an_adoption_and_end_nothing() {
    let mut guest = Guest::new();
    let id = guest.open();
    let (board, shared) = guest.board();
    board.orphan(shared);
    guest.backend.dies();
    let (board, shared) = guest.board();
    assert!(board.release(shared));
    guest.model.world().grants_left = 17 + 10;
    let ring_ref = board.attach(shared, SUCCESSOR).unwrap();
    board.connect(shared);
    guest.backend = Backend::new(&guest.model, SUCCESSOR, ring_ref);
    assert!(serve(&mut guest).is_empty(), "it cannot be adopted yet");
    let (board, shared) = guest.board();
    assert!(!board.catch_up(shared));
    guest.model.world().grants_left = 32_000;
    assert!(board.catch_up(shared));
    assert_eq!(serve(&mut guest), [Asked::Adopt(id.index), Asked::Ready]);
    guest.end();
}

#[test]
fn a_dead_backend_that_has_mapped_what_it_was_never_told_of_costs_the_caller_an_error() {
    let mut guest = Guest::new();
    let kept = guest.open();
    let (board, shared) = guest.board();
    // A registration is granted to the old backend, and begins after the new one is there.
    let notes = board.at(kept.index, |endpoint| endpoint.notes());
    let (pinned, _) = guest.model.pin(1000, notes.flatten().unwrap(), true, 3);
    let admitted = shared.admit(pinned, None).unwrap();
    let access = |_| open_mx_frontend::kernel::Access::Write;
    let granted = board.grant(shared, admitted, 3, access).unwrap();
    board.orphan(shared);
    guest.backend.dies();
    let (board, shared) = guest.board();
    let ring_ref = board.attach(shared, SUCCESSOR).unwrap();
    let successor = Backend::new(&guest.model, SUCCESSOR, ring_ref);
    let mut old = std::mem::replace(&mut guest.backend, successor);
    old.grab();
    let (board, shared) = guest.board();
    board.connect(shared);
    let extent = crate::guest::extent(3, true);
    let mut pages = Some(granted);
    let key = board
        .register(shared, kept, SPACE, extent, &mut pages)
        .unwrap();
    assert_eq!(guest.registered(kept, key), Poll::Ready(Err(Errno::FAULT)));
    assert_eq!(serve(&mut guest), [Asked::Adopt(kept.index), Asked::Ready]);
    old.dies();
    guest.end();
}
