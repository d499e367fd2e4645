//! Registering memory, and giving it back.

use std::task::Poll;

use mx_ring::control::{ControlRequest, STAGING_REFS, Status};
use open_mx_frontend::errno::Errno;
use open_mx_frontend::quota::Limits;
use open_mx_frontend::region::Extent;

use crate::guest::{Guest, extent, respond_all};
use crate::model::ENDPOINT_PAGES;

#[test]
fn a_region_is_granted_registered_and_given_back_with_its_accounting() {
    let mut guest = Guest::new();
    let id = guest.open();
    let key = guest.register(id, 1024, true).unwrap();
    assert_eq!(guest.registered(id, key), Poll::Pending);
    let served = guest.serve(Status::Ok);
    assert_eq!(
        served,
        [ControlRequest::Register {
            endpoint: id.index,
            region: key,
            writable: true,
            offset: 16,
            length: 1024 * 4096 - 16,
            first_page: 0,
            pages: 1024,
            staging: 0,
        }]
    );
    assert_eq!(guest.registered(id, key), Poll::Ready(Ok(())));
    guest.deregister(id, key).unwrap();
    assert_eq!(guest.deregistered(id, key), Poll::Pending);
    assert_eq!(guest.deregister(id, key), Err(Errno::INVALID));
    guest.serve(Status::Ok);
    assert_eq!(guest.deregistered(id, key), Poll::Ready(true));
    assert_eq!(guest.model.world().accounted, 0);
    assert_eq!(
        guest.deregister(id, key),
        Err(Errno::INVALID),
        "a key is used once"
    );
    guest.end();
}

#[test]
fn an_endpoint_has_its_two_buffers_of_last_resort_whatever_its_user_holds() {
    let mut guest = Guest::new();
    let id = guest.open();
    let limits = Limits {
        endpoints: 1,
        pages: ENDPOINT_PAGES,
    };
    let reserve = Extent {
        reserve: true,
        ..extent(64, true)
    };
    let within = Some(limits.for_reserves());
    let beyond = guest.register_within(id, extent(64, true), Some(limits));
    assert_eq!(beyond, Err(Errno::AGAIN));
    let first = guest.register_within(id, reserve, within).unwrap();
    guest.register_within(id, reserve, within).unwrap();
    let third = guest.register_within(id, reserve, None);
    assert_eq!(third, Err(Errno::AGAIN));
    guest.serve(Status::Ok);
    assert_eq!(guest.registered(id, first), Poll::Ready(Ok(())));
    guest.deregister(id, first).unwrap();
    let another = guest.register_within(id, reserve, None);
    assert_eq!(
        another,
        Err(Errno::AGAIN),
        "the backend still has the first"
    );
    guest.serve(Status::Ok);
    assert_eq!(guest.deregistered(id, first), Poll::Ready(true));
    guest.register_within(id, reserve, within).unwrap();
    guest.serve(Status::Ok);
    guest.end();
}

#[test]
fn a_region_beyond_the_staging_pages_goes_in_pieces() {
    let mut guest = Guest::new();
    let id = guest.open();
    let key = guest.register(id, 2 * STAGING_REFS + 3, false).unwrap();
    let served = guest.serve(Status::Ok);
    let pieces: Vec<_> = served
        .iter()
        .map(|request| match request {
            ControlRequest::Register {
                first_page, pages, ..
            } => (*first_page, *pages),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(pieces, [(0, 4096), (4096, 4096), (8192, 3)]);
    assert_eq!(guest.registered(id, key), Poll::Ready(Ok(())));
    guest.end();
}

#[test]
fn a_region_refused_in_its_second_piece_is_unmapped_before_its_caller_is_told() {
    let mut guest = Guest::new();
    let id = guest.open();
    let key = guest.register(id, STAGING_REFS + 1, false).unwrap();
    assert!(guest.backend.take());
    guest.backend.answer(0, Status::Ok, false);
    respond_all(&guest.frontend);
    assert!(guest.backend.take());
    guest.backend.answer(0, Status::NoSpace, false);
    respond_all(&guest.frontend);
    assert_eq!(guest.registered(id, key), Poll::Pending);
    assert_eq!(
        guest.serve(Status::Ok),
        [ControlRequest::Deregister {
            endpoint: id.index,
            region: key
        }]
    );
    assert_eq!(guest.registered(id, key), Poll::Ready(Err(Errno::AGAIN)));
    guest.frontend.shared.reap();
    assert_eq!(guest.model.world().accounted, 0);
    guest.end();
}

#[test]
fn a_region_for_which_grants_run_out_is_refused_and_leaves_nothing() {
    for grants in [100, STAGING_REFS + 100] {
        let mut guest = Guest::new();
        let id = guest.open();
        guest.model.world().grants_left = grants;
        let refused = guest.register(id, 2 * STAGING_REFS, false);
        assert_eq!(refused, Err(Errno::AGAIN));
        assert!(
            guest.serve(Status::Ok).is_empty(),
            "the backend hears nothing"
        );
        assert_eq!(guest.model.world().accounted, 0);
        assert_eq!(guest.model.world().grants_left, grants);
        guest.end();
    }
}

#[test]
fn a_caller_killed_while_it_registers_leaves_a_region_that_the_answer_takes_away() {
    let mut guest = Guest::new();
    let id = guest.open();
    let key = guest.register(id, 10, true).unwrap();
    let (board, shared) = guest.board();
    board.abandon(shared, id, key);
    let served = guest.serve(Status::Ok);
    assert!(matches!(
        served[..],
        [
            ControlRequest::Register { .. },
            ControlRequest::Deregister { .. }
        ]
    ));
    guest.frontend.shared.reap();
    assert_eq!(guest.model.world().accounted, 0);
    guest.end();
}

#[test]
fn an_endpoint_closed_under_a_registration_is_closed_after_the_answer() {
    let mut guest = Guest::new();
    let id = guest.open();
    let key = guest.register(id, 10, true).unwrap();
    assert!(guest.backend.take());
    guest.close(id);
    assert!(!guest.backend.take(), "no CloseEndpoint yet");
    guest.backend.answer(0, Status::Ok, false);
    respond_all(&guest.frontend);
    assert_eq!(
        guest.serve(Status::Ok),
        [ControlRequest::CloseEndpoint { endpoint: id.index }]
    );
    assert_eq!(
        guest.registered(id, key),
        Poll::Ready(Err(Errno::NO_DEVICE))
    );
    guest.frontend.shared.reap();
    assert_eq!(guest.model.world().held(), (17, 17, 0));
    guest.end();
}
