//! Kernels that ask for what they may, and for too much.

use driver_domain::fake::{DATA_PAGE, FIRST_REF, Guest};
use mx_ring::control::{ControlRequest, Status};

use crate::world::{World, endpoint_pages, geometry, key};

#[test]
fn an_endpoint_is_mapped_in_bounded_turns_and_given_back_whole() {
    let mut world = World::new();
    assert_eq!(world.open(0, DATA_PAGE), Status::Ok);
    assert_eq!(world.device.held(), endpoint_pages());
    assert_eq!(world.open(0, DATA_PAGE), Status::Busy);
    assert_eq!(world.open(8, DATA_PAGE), Status::Invalid);
    assert_eq!(world.close(0), Status::Ok);
    assert_eq!(world.device.held(), 0);
    assert_eq!(world.close(0), Status::NotFound);
    assert_eq!(world.open(0, DATA_PAGE), Status::Ok);
    world.end();
}

#[test]
fn a_page_that_cannot_be_mapped_leaves_nothing_behind() {
    let mut world = World::new();
    let last = FIRST_REF + (DATA_PAGE + endpoint_pages()) as u32 - 1;
    world.guest.refused.borrow_mut().insert(last);
    assert_eq!(world.open(0, DATA_PAGE), Status::BadGrant);
    for _ in 0..10 {
        world.turn().unwrap();
    }
    assert_eq!(world.device.held(), 0);
    world.guest.refused.borrow_mut().clear();
    assert_eq!(world.open(0, DATA_PAGE), Status::Ok);
    world.end();
}

#[test]
fn a_region_may_come_in_pieces_but_only_in_order() {
    let mut world = World::new();
    assert_eq!(world.register(1, 0, 40), Status::NotFound);
    assert_eq!(world.open(0, DATA_PAGE), Status::Ok);
    let page = DATA_PAGE + endpoint_pages();
    world.stage(&Guest::refs(page, 40));
    assert_eq!(world.register(1, 0, 40), Status::Ok);
    assert_eq!(world.register(1, 0, 40), Status::Busy);
    assert_eq!(world.register(2, 10, 10), Status::NotFound);
    assert_eq!(world.register(2, 0, 41), Status::Invalid);
    assert_eq!(world.register(2, 0, 0), Status::Invalid);
    assert_eq!(world.register(2, 0, 10), Status::Ok);
    assert_eq!(world.register(2, 20, 20), Status::Invalid);
    world.stage(&Guest::refs(page + 10, 30));
    assert_eq!(world.register(2, 10, 30), Status::Ok);
    assert_eq!(world.register(2, 10, 30), Status::Invalid);
    assert_eq!(world.deregister(1), Status::Ok);
    assert_eq!(world.deregister(1), Status::NotFound);
    assert_eq!(world.device.held(), endpoint_pages() + 40);
    // An unfinished one goes too.
    world.stage(&Guest::refs(page, 5));
    assert_eq!(world.register(3, 0, 5), Status::Ok);
    assert_eq!(world.deregister(3), Status::Ok);
    assert_eq!(world.close(0), Status::Ok);
    assert_eq!(world.device.held(), 0);
    world.end();
}

#[test]
fn a_guest_that_wants_too_much_is_told_to_give_something_back() {
    let mut world = World::new();
    assert_eq!(world.open(0, DATA_PAGE), Status::Ok);
    let id = world.ask(&ControlRequest::Register {
        endpoint: 0,
        region: key(1),
        writable: false,
        offset: 0,
        length: u32::MAX,
        first_page: 0,
        pages: 1,
        staging: 0,
    });
    assert_eq!(world.answer(id), Status::NoSpace);
    world.end();
}

#[test]
fn an_event_is_useful_if_it_brings_a_command_or_a_request() {
    let mut world = World::new();
    let rung = |world: &mut World| {
        let now = world.now();
        world.device.rung(now, &mut world.backend)
    };
    assert!(!rung(&mut world), "nothing");
    let id = world.ask(&ControlRequest::Ready);
    assert!(rung(&mut world), "a request");
    assert_eq!(world.answer(id), Status::Ok);
    assert_eq!(world.open(0, DATA_PAGE), Status::Ok);
    let doorbells = mx_ring::control::Doorbells::new(world.guest.slice(3, 1)).unwrap();
    for endpoint in [0, 7] {
        doorbells.ring(endpoint);
    }
    assert!(
        !rung(&mut world),
        "a bell without a command, and one of no endpoint"
    );
    let layout = mx_ring::EndpointLayout::new(geometry()).unwrap();
    let w = layout.w_size() / mx_ring::PAGE_SIZE;
    let (w, r) = (
        world.guest.slice(DATA_PAGE, w),
        world.guest.slice(DATA_PAGE + w, endpoint_pages() - w),
    );
    let mut process = mx_ring::ProcessSide::new(layout, w, r).unwrap();
    let abort = mx_ring::CommandBody::AbortPull { cookie: 1 };
    let to = mx_ring::Destination {
        peer: 0,
        endpoint: 0,
        session: 0,
    };
    assert!(process.post(&mx_ring::Command { to, body: abort }, &[]));
    doorbells.ring(0);
    assert!(rung(&mut world), "a command");
    world.end();
}
