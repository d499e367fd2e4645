//! What a guest may have, and what it is told when it wants more.

use driver_domain::account::{Account, Limit, Limits, Pools};
use driver_domain::device::{ConnectError, Device};
use driver_domain::fake::{DATA_PAGE, FIRST_REF, Guest};
use mx_backend::Instant;
use mx_ring::control::{DEVICE_PAGES, Status};

use crate::world::{World, backend, endpoint_pages, identity};

/// A guest with this limit, among 64.
fn limited(name: &str, value: usize) -> World {
    let mut limits = Limits::default();
    limits.set(name, &value.to_string()).unwrap();
    let pools = Pools::new(1 << 18, 40 << 20, 64);
    World::with(Account::new(&pools, limits, Instant::default()))
}

#[test]
fn each_limit_of_a_device_refuses_the_next_one_with_a_code_and_lets_it_in_when_one_is_given_back() {
    let mut world = limited("limit-endpoints", 1);
    assert_eq!(world.open(0, DATA_PAGE), Status::Ok);
    assert_eq!(world.open(1, DATA_PAGE + 100), Status::NoSpace);
    assert_eq!(world.account.refused(Limit::Endpoints), 1);
    assert_eq!(world.close(0), Status::Ok);
    assert_eq!(world.open(1, DATA_PAGE + 100), Status::Ok);
    world.end();

    let mut world = limited("limit-regions", 2);
    assert_eq!(world.open(0, DATA_PAGE), Status::Ok);
    let page = DATA_PAGE + 200;
    for (slot, status) in [(0, Status::Ok), (9, Status::Ok), (10, Status::NoSpace)] {
        assert_eq!(world.register_page(0, slot, page), status);
    }
    assert_eq!(world.deregister(9), Status::Ok);
    assert_eq!(world.register_page(0, 10, page), Status::Ok);
    world.end();

    let mut world = limited("limit-pages", DEVICE_PAGES + endpoint_pages() + 1);
    assert_eq!(world.open(0, DATA_PAGE), Status::Ok);
    assert_eq!(world.register_page(0, 0, page), Status::Ok);
    assert_eq!(world.register_page(0, 1, page), Status::NoSpace);
    assert_eq!(world.deregister(0), Status::Ok);
    assert_eq!(world.register_page(0, 1, page), Status::Ok);
    world.end();

    let mut world = limited("limit-heap", 200);
    assert_eq!(world.open(0, DATA_PAGE), Status::Ok);
    let mut slot = 0;
    while world.register_page(0, slot, page) == Status::Ok {
        slot += 1;
    }
    assert!(slot < 64, "{slot} regions");
    assert!(world.account.refused(Limit::Heap) > 0);
    assert_eq!(world.close(0), Status::Ok);
    assert_eq!(world.open(0, DATA_PAGE), Status::Ok);
    world.end();
}

#[test]
fn a_device_too_many_is_refused_and_says_which_limit_it_met() {
    let world = limited("limit-devices", 1);
    let guest = Guest::new().unwrap();
    guest.format();
    let mut backend = backend();
    let mut connect = |account| {
        let now = Instant::from_nanos(1);
        Device::connect(
            guest.clone(),
            account,
            FIRST_REF,
            identity(),
            8,
            now,
            &mut backend,
        )
    };
    let Err(refused) = connect(&world.account) else {
        panic!("connected");
    };
    assert!(matches!(refused, ConnectError::Refused(_)));
    let said = refused.to_string();
    assert!(said.contains("limit-devices=1"), "{said}");
    assert_eq!(guest.mapped.borrow().len(), 0);
    world.end();
}

#[test]
fn a_guest_that_takes_all_of_what_is_shared_leaves_the_next_its_share() {
    let heap = 4 << 20;
    let pools = Pools::new(4000, heap, 2);
    let account = || Account::new(&pools, Limits::default(), Instant::default());
    let mut greedy = World::with(account());
    let mut modest = World::with(account());
    assert_eq!(greedy.open(0, DATA_PAGE), Status::Ok);
    let page = DATA_PAGE + 200;
    let mut slot = 0;
    while greedy.register_page(0, slot, page) == Status::Ok {
        slot += 1;
    }
    assert!(slot > 2000, "{slot}");
    assert_eq!(modest.open(0, DATA_PAGE), Status::Ok);
    for slot in 0..500 {
        assert_eq!(modest.register_page(0, slot, page), Status::Ok);
    }
    greedy.end();
    modest.end();
}
