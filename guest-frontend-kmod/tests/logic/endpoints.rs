//! Endpoints, from opening to the last page.

use std::task::Poll;

use mx_ring::control::{ControlRequest, ControlResponse, Status};
use open_mx_frontend::endpoint_id::EndpointId;
use open_mx_frontend::errno::Errno;
use open_mx_frontend::quota::Limits;

use crate::guest::{Guest, respond_all};
use crate::model::{BACKEND, SPACE};

#[test]
fn an_endpoint_is_open_when_the_backend_says_so_and_gone_when_it_has_let_go() {
    let mut guest = Guest::new();
    let id = guest.open();
    guest.close(id);
    assert_eq!(
        guest.serve(Status::Ok),
        [ControlRequest::CloseEndpoint { endpoint: id.index }]
    );
    assert_eq!(guest.opened(id), Poll::Ready(Err(Errno::NO_DEVICE)));
    guest.frontend.shared.reap();
    assert_eq!(
        guest.model.world().held(),
        (17, 17, 0),
        "the device pages are left"
    );
    guest.end();
}

#[test]
fn an_endpoint_has_an_opener_while_others_reach_it_and_neither_before_nor_after() {
    let mut guest = Guest::new();
    let opener = |guest: &Guest| guest.board().0.opener(5).map(|(process, _)| process.pid);
    let Poll::Ready(Ok(id)) = guest.begin_open(Some(5), None) else {
        panic!("begins")
    };
    assert_eq!(opener(&guest), None, "the backend has not heard of it");
    assert!(guest.backend.take());
    assert_eq!(opener(&guest), None, "the backend has not opened it");
    guest.backend.answer(0, Status::Ok, false);
    respond_all(&guest.frontend);
    assert_eq!(opener(&guest), Some(1));
    // Between two backends it is its process's as ever.
    guest.succeeded(BACKEND + 1);
    assert_eq!(opener(&guest), Some(1));
    guest.serve(Status::Ok);
    assert_eq!(opener(&guest), Some(1));
    guest.close(id);
    assert_eq!(opener(&guest), None, "the backend still has to let go");
    guest.serve(Status::Ok);
    assert_eq!(opener(&guest), None);
    guest.end();
}

#[test]
fn a_refused_endpoint_has_no_opener() {
    let mut guest = Guest::new();
    let begun = guest.begin_open(Some(5), None);
    assert!(matches!(begun, Poll::Ready(Ok(_))));
    guest.serve(Status::NoSpace);
    assert_eq!(guest.board().0.opener(5), None);
    guest.end();
}

#[test]
fn pages_that_the_backend_still_maps_are_kept_whatever_it_answers() {
    let mut guest = Guest::new();
    let id = guest.open();
    guest.close(id);
    assert!(guest.backend.take());
    guest.backend.answer(0, Status::Ok, true);
    respond_all(&guest.frontend);
    guest.frontend.shared.reap();
    assert_eq!(guest.model.world().held().0, 17 + 40);
    guest.backend.let_go();
    guest.frontend.shared.reap();
    assert_eq!(guest.model.world().held().0, 17);
    guest.end();
}

#[test]
fn a_refused_endpoint_is_told_once_and_its_index_is_free_again() {
    let mut guest = Guest::new();
    let Poll::Ready(Ok(id)) = guest.begin_open(Some(5), None) else {
        panic!("begins")
    };
    guest.serve(Status::NoSpace);
    assert_eq!(guest.opened(id), Poll::Ready(Err(Errno::AGAIN)));
    assert_eq!(guest.opened(id), Poll::Ready(Err(Errno::NO_DEVICE)));
    assert!(matches!(
        guest.begin_open(Some(5), None),
        Poll::Ready(Ok(_))
    ));
    guest.end();
}

#[test]
fn an_open_index_is_busy_and_a_closing_one_is_to_be_asked_again() {
    let mut guest = Guest::new();
    let id = guest.open();
    assert_eq!(
        guest.begin_open(Some(id.index), None),
        Poll::Ready(Err(Errno::BUSY))
    );
    guest.close(id);
    assert_eq!(guest.begin_open(Some(id.index), None), Poll::Pending);
    guest.serve(Status::Ok);
    assert!(matches!(
        guest.begin_open(Some(id.index), None),
        Poll::Ready(Ok(_))
    ));
    guest.end();
}

#[test]
fn an_opener_that_was_killed_leaves_an_endpoint_that_the_answer_closes() {
    let mut guest = Guest::new();
    let Poll::Ready(Ok(id)) = guest.begin_open(None, None) else {
        panic!("begins")
    };
    guest.close(id);
    let served = guest.serve(Status::Ok);
    assert!(matches!(
        served[..],
        [
            ControlRequest::OpenEndpoint { .. },
            ControlRequest::CloseEndpoint { .. }
        ]
    ));
    guest.frontend.shared.reap();
    assert_eq!(guest.model.world().held().0, 17);
    guest.end();
}

#[test]
fn a_user_gets_what_the_limits_allow_and_has_it_back_after_close() {
    let guest = Guest::new();
    let limits = Some(Limits {
        endpoints: 2,
        pages: 1000,
    });
    for _ in 0..2 {
        assert!(matches!(guest.begin_open(None, limits), Poll::Ready(Ok(_))));
    }
    assert_eq!(
        guest.begin_open(None, limits),
        Poll::Ready(Err(Errno::AGAIN))
    );
    assert!(matches!(guest.begin_open(None, None), Poll::Ready(Ok(_))));
    let pages = Some(Limits {
        endpoints: 10,
        pages: 150,
    });
    assert_eq!(
        guest.begin_open(None, pages),
        Poll::Ready(Err(Errno::AGAIN))
    );
    guest.end();
}

#[test]
fn only_the_space_that_opened_an_endpoint_may_use_it() {
    let mut guest = Guest::new();
    let id = guest.open();
    let (board, _) = guest.board();
    assert!(board.usable(id, SPACE, |_| ()).is_ok());
    assert_eq!(
        board.usable(id, SPACE + 1, |_| ()).err(),
        Some(Errno::NOT_PERMITTED)
    );
    let other = EndpointId {
        incarnation: id.incarnation + 1,
        ..id
    };
    assert_eq!(
        board.usable(other, SPACE, |_| ()).err(),
        Some(Errno::NO_DEVICE)
    );
    guest.end();
}

#[test]
fn an_endpoint_that_the_backend_closed_fails_its_process_and_can_be_closed() {
    let mut guest = Guest::new();
    let id = guest.open();
    guest.backend.say(&ControlResponse {
        id: 0,
        status: Status::Misbehaved,
        endpoint: id.index,
    });
    respond_all(&guest.frontend);
    let (board, _) = guest.board();
    assert_eq!(board.usable(id, SPACE, |_| ()).err(), Some(Errno::IO));
    guest.close(id);
    assert_eq!(guest.serve(Status::NotFound).len(), 1);
    guest.frontend.shared.reap();
    assert_eq!(guest.model.world().held().0, 17);
    guest.end();
}
