//! Boards that come and go, and their control ring.

use std::task::Poll;

use mx_ring::control::{ControlResponse, Status};
use mx_ring::sleep::EndpointWatch;
use open_mx_frontend::board::Fault;
use open_mx_frontend::errno::Errno;
use open_mx_frontend::frontend::Frontend;
use open_mx_frontend::kernel::Kernel;
use open_mx_frontend::quota::Limits;

use crate::guest::Guest;
use crate::model::{BACKEND, Backend, Model};

#[test]
fn a_board_that_is_attached_and_detached_leaves_nothing() {
    Guest::new().end();
}

#[test]
fn an_attach_that_runs_out_of_grants_or_memory_leaves_nothing() {
    for (grants, memory) in [(3, 100), (100, 3), (17, 16), (16, 17)] {
        let model = Model::new();
        model.world().grants_left = grants;
        model.world().memory_left = memory;
        let frontend = Frontend::new(model.clone()).unwrap();
        let (board, shared) = frontend.board(0).unwrap();
        assert!(board.attach(shared, BACKEND).is_err());
        assert!(board.exists().is_err());
        frontend.shared.reap();
        assert_eq!(model.world().held(), (0, 0, 0));
    }
}

#[test]
fn what_is_still_mapped_when_the_module_goes_is_left_to_the_kernel_and_no_more() {
    let mut guest = Guest::new();
    let id = guest.open();
    guest.register(id, 10, true).unwrap();
    guest.serve(Status::Ok);
    let (board, shared) = guest.board();
    board.detach(shared);
    guest.frontend.shared.reap();
    guest.frontend.shared.give_up();
    assert_eq!(guest.model.world().held(), (0, 0, 0));
    assert_eq!(guest.model.world().left, 17 + 40 + 10);
}

#[test]
fn requests_beyond_the_ring_wait_for_room_and_all_come() {
    let mut guest = Guest::new();
    let ids: Vec<_> = (0..40)
        .map(|_| match guest.begin_open(None, None) {
            Poll::Ready(Ok(id)) => id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(guest.serve(Status::Ok).len(), 40);
    for id in ids {
        assert!(guest.opened(id).is_ready());
        guest.close(id);
    }
    assert_eq!(guest.serve(Status::Ok).len(), 40);
    guest.frontend.shared.reap();
    assert_eq!(guest.model.world().held().0, 17);
    guest.end();
}

#[test]
fn an_answer_that_nobody_asked_for_is_a_fault_of_the_backend() {
    let mut guest = Guest::new();
    guest.backend.say(&ControlResponse {
        id: 77,
        status: Status::Ok,
        endpoint: 0,
    });
    let (board, shared) = guest.board();
    assert_eq!(board.respond(shared), Err(Fault::UnknownRequest(77)));
    guest.end();
}

#[test]
fn a_second_answer_to_a_request_is_a_fault_of_the_backend() {
    let mut guest = Guest::new();
    let Poll::Ready(Ok(_)) = guest.begin_open(None, None) else {
        panic!("begins")
    };
    assert!(guest.backend.take());
    let id = guest.backend.taken[0].id;
    guest.backend.answer(0, Status::Ok, false);
    let (status, endpoint) = (Status::Ok, 0);
    guest.backend.say(&ControlResponse {
        id,
        status,
        endpoint,
    });
    let (board, shared) = guest.board();
    assert_eq!(board.respond(shared), Ok(true));
    assert_eq!(board.respond(shared), Err(Fault::UnknownRequest(id)));
    guest.end();
}

#[test]
fn notices_that_say_nothing_without_end_are_a_fault_of_the_backend() {
    for status in [Status::Misbehaved, Status::RawWaits] {
        let mut guest = Guest::new();
        let mut heard = 0;
        let fault = loop {
            let endpoint = heard as u8;
            guest.backend.say(&ControlResponse {
                id: 0,
                status,
                endpoint,
            });
            let (board, shared) = guest.board();
            match board.respond(shared) {
                Ok(_) => heard += 1,
                Err(fault) => break fault,
            }
        };
        assert_eq!(fault, Fault::EmptyNotices);
        assert!((256..10_000).contains(&heard), "{heard}");
        guest.end();
    }
}

#[test]
fn a_board_that_loses_its_backend_fails_all_calls_and_serves_the_next_backend() {
    let mut guest = Guest::new();
    let id = guest.open();
    let key = guest.register(id, 5, true).unwrap();
    let (board, shared) = guest.board();
    let r0 = board.at(id.index, |endpoint| endpoint.r0()).flatten();
    let watch = EndpointWatch::new(guest.model.slice(r0.unwrap(), 1)).unwrap();
    assert!(!watch.has_events(0, 0));
    board.detach(shared);
    assert!(watch.has_events(0, 0), "a process that polls is told");
    assert_eq!(
        guest.registered(id, key),
        Poll::Ready(Err(Errno::NO_DEVICE))
    );
    assert_eq!(guest.deregistered(id, key), Poll::Ready(false));
    assert_eq!(
        guest.begin_open(None, None),
        Poll::Ready(Err(Errno::NO_DEVICE))
    );
    assert_eq!(guest.frontend.board_count(), 0);
    let (board, shared) = guest.board();
    let ring_ref = board.attach(shared, BACKEND).unwrap();
    assert_eq!(board.attach(shared, BACKEND), Err(Errno::BUSY));
    board.connect(shared);
    let successor = Backend::new(&guest.model, BACKEND, ring_ref);
    std::mem::replace(&mut guest.backend, successor).dies();
    guest.frontend.shared.reap();
    assert_eq!(
        guest.model.world().held().0,
        17,
        "only the new device pages"
    );
    guest.open();
    guest.end();
}

#[test]
fn a_backend_that_never_answers_costs_a_user_its_own_share_however_often_it_tries_again() {
    let guest = Guest::new();
    let limits = Limits {
        endpoints: 3,
        pages: 1000,
    };
    let begin = || match guest.begin_open(None, Some(limits)) {
        Poll::Ready(begun) => begun,
        Poll::Pending => panic!("there are free indices"),
    };
    let idle = guest.model.world().held().0;
    let mut most = 0;
    for _ in 0..100 {
        for _ in 0..limits.endpoints {
            // Its process is killed; the backend may map the pages that it was told of.
            if let Ok(id) = begin() {
                assert_eq!(guest.opened(id), Poll::Pending, "nobody answers");
                guest.close(id);
            }
        }
        most = most.max(guest.model.world().held().0 - idle);
    }
    assert!(most <= limits.pages, "{most} pages");
    assert_eq!(begin(), Err(Errno::AGAIN));
    let another = guest.begin_open(None, None);
    assert!(matches!(another, Poll::Ready(Ok(_))), "the others' share");
    guest.end();
}

#[test]
fn who_waits_for_a_backend_that_never_answers_is_told_when_it_goes_and_the_next_one_serves_him() {
    let mut guest = Guest::new();
    let id = guest.open();
    let key = guest.register(id, 5, true).unwrap();
    let Poll::Ready(Ok(waiting)) = guest.begin_open(None, None) else {
        panic!("begins")
    };
    let (board, shared) = guest.board();
    assert_eq!(board.respond(shared), Ok(false), "nobody answers");
    assert_eq!(guest.registered(id, key), Poll::Pending);
    assert_eq!(guest.opened(waiting), Poll::Pending);
    guest.succeeded(BACKEND + 1);
    guest.serve(Status::Ok);
    assert_eq!(guest.registered(id, key), Poll::Ready(Ok(())));
    assert_eq!(guest.opened(waiting), Poll::Ready(Ok(0x1234)));
    guest.end();
}
