//! A device against guests' kernels of all kinds: honest ones, wrong ones, and ones that write anything.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use driver_domain::device::{ConnectError, Device, Identity};
use driver_domain::memory::{Access, GuestPages, Memory};
use mx_board::Full;
use mx_home::{
    Completion, Handed, Home, HomeConfig, HostName, Instant, Link, Payload, Sleepers, Token,
};
use mx_ring::control::{
    ControlError, DEVICE_PAGES, ModuleControl, Request, Response, STAGING_PAGE, STAGING_REFS,
    Staging, Status,
};
use mx_ring::mapping::Memfd;
use mx_ring::{Area, EndpointLayout, Geometry, HomeSide, PAGE_SIZE, RegionKey};
use mx_wire::{Format, MacAddress};
use proptest::prelude::*;

/// Memory of the guest in pages. Page `n` is granted by reference `n + FIRST_REF`.
const GUEST_PAGES: usize = 1200;
const FIRST_REF: u32 = 100;
/// Where the test's guest keeps its device pages and the pages of endpoints and regions.
const DATA_PAGE: usize = DEVICE_PAGES;

/// A guest: its memory, and which of its pages are mapped by somebody else.
#[derive(Clone)]
struct Guest {
    memory: Rc<Memfd>,
    mapped: Rc<RefCell<Vec<usize>>>,
    reserved: Rc<Cell<usize>>,
    refused: Rc<RefCell<BTreeSet<u32>>>,
}

impl Guest {
    fn new() -> Self {
        Self {
            memory: Rc::new(Memfd::create("guest", GUEST_PAGES * PAGE_SIZE).unwrap()),
            mapped: Rc::default(),
            reserved: Rc::default(),
            refused: Rc::default(),
        }
    }

    fn area(&self, page: usize, pages: usize) -> Area {
        self.memory
            .area()
            .part(page * PAGE_SIZE, pages * PAGE_SIZE)
            .unwrap()
    }

    /// References of `count` pages from `page` on.
    fn refs(page: usize, count: usize) -> Vec<u32> {
        (0..count)
            .map(|at| FIRST_REF + (page + at) as u32)
            .collect()
    }
}

/// Pages of the guest, "mapped". The model can only map neighbours side by side, so references in another order are
/// bad ones.
struct Mapped {
    guest: Guest,
    reserved: usize,
    pages: Vec<usize>,
}

impl Memory for Guest {
    type Pages = Mapped;

    fn reserve(&self, pages: usize, _: Access) -> Option<Mapped> {
        if pages == 0 || pages > 100_000 {
            return None;
        }
        self.reserved.set(self.reserved.get() + pages);
        Some(Mapped {
            guest: self.clone(),
            reserved: pages,
            pages: Vec::new(),
        })
    }
}

impl GuestPages for Mapped {
    fn map(&mut self, references: &[u32]) -> Result<(), String> {
        assert!(self.pages.len() + references.len() <= self.reserved);
        let before = self.pages.len();
        for reference in references {
            let page = reference.wrapping_sub(FIRST_REF) as usize;
            let neighbour = self.pages.last().is_none_or(|last| last + 1 == page);
            if page >= GUEST_PAGES || !neighbour || self.guest.refused.borrow().contains(reference)
            {
                self.unmap_some(self.pages.len() - before);
                return Err(format!("reference {reference}"));
            }
            self.pages.push(page);
            self.guest.mapped.borrow_mut().push(page);
        }
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.reserved
    }

    fn mapped(&self) -> usize {
        self.pages.len()
    }

    fn area(&self) -> Area {
        self.guest
            .area(self.pages.first().copied().unwrap_or(0), self.pages.len())
    }

    fn unmap_some(&mut self, pages: usize) -> bool {
        for _ in 0..pages {
            let Some(page) = self.pages.pop() else { break };
            let mut mapped = self.guest.mapped.borrow_mut();
            let at = mapped.iter().position(|other| *other == page).unwrap();
            mapped.swap_remove(at);
        }
        self.pages.is_empty()
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        self.unmap_some(usize::MAX);
        self.guest
            .reserved
            .set(self.guest.reserved.get() - self.reserved);
    }
}

/// No wire.
struct NoWire;

impl Link for NoWire {
    fn transmit(&mut self, _: &[u8], _: Payload<'_>, _: Token) -> Result<Handed, Full> {
        Ok(Handed::Copied)
    }
}

struct Wakes<'a>(&'a mut Device<Guest>);

impl Sleepers for Wakes<'_> {
    fn wake_if_armed(&mut self, endpoint: mx_home::EndpointKey, side: &mut HomeSide) {
        self.0.wake_if_armed(endpoint.endpoint, side);
    }
}

/// A home, a device, and the guest's kernel behind it.
struct World {
    guest: Guest,
    home: Home,
    device: Device<Guest>,
    kernel: ModuleControl,
    staging: Staging,
    time: u64,
    next_id: u32,
    removed: bool,
}

fn home() -> Home {
    Home::new(HomeConfig {
        format: Format::native(9000).unwrap(),
        generation: 1,
        endpoint_max: 8,
        interface: [0; 16],
        driver: [0; 16],
        idle_spell: Duration::from_micros(50),
        seed: 7,
    })
}

fn identity() -> Identity {
    Identity {
        mac: MacAddress([2, 0, 0, 0, 0, 1]),
        name: HostName::new(b"guest1:0"),
    }
}

fn format(guest: &Guest) -> ModuleControl {
    let refs: Vec<u32> = Guest::refs(0, DEVICE_PAGES);
    ModuleControl::format(
        guest.area(0, 1),
        guest.area(1, 1),
        &refs.try_into().unwrap(),
    )
    .unwrap()
}

impl World {
    fn new() -> Self {
        let guest = Guest::new();
        let kernel = format(&guest);
        let mut home = home();
        let device = Device::connect(
            guest.clone(),
            FIRST_REF,
            identity(),
            8,
            Instant::from_nanos(1),
            &mut home,
        )
        .unwrap();
        let staging = Staging::new(guest.area(STAGING_PAGE, DEVICE_PAGES - STAGING_PAGE)).unwrap();
        Self {
            guest,
            home,
            device,
            kernel,
            staging,
            time: 1,
            next_id: 1,
            removed: false,
        }
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(self.time)
    }

    /// A turn of the domain's loop; the most pages that it mapped or unmapped must be within its budget.
    fn turn(&mut self) -> Result<bool, ControlError> {
        self.time += 10_000;
        let now = self.now();
        let before = self.guest.mapped.borrow().len();
        let mut budget = 32;
        let more = self.device.serve(now, &mut self.home, &mut budget)?;
        assert!(self.guest.mapped.borrow().len().abs_diff(before) <= 32);
        self.home
            .turn(now, &mut NoWire, &mut Wakes(&mut self.device));
        self.completions();
        Ok(more)
    }

    fn completions(&mut self) {
        while let Some(completion) = self.home.next_completion() {
            self.removed |= matches!(completion, Completion::BoardRemoved(_));
            self.device.completed(completion);
        }
    }

    fn ask(&mut self, request: &Request) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        assert!(self.kernel.post(id, request));
        id
    }

    /// Turns until there is an answer; it must be the one to `id`.
    fn answer(&mut self, id: u32) -> Status {
        for _ in 0..400 {
            self.turn().unwrap();
            if let Some(response) = self.kernel.next_response() {
                let response = response.unwrap();
                assert_eq!(response.id, id);
                return response.status;
            }
        }
        panic!("request {id} was not answered");
    }

    fn stage(&self, refs: &[u32]) {
        for (entry, reference) in refs.iter().enumerate() {
            assert!(self.staging.set(entry, *reference));
        }
    }

    fn open(&mut self, endpoint: u8, page: usize) -> Status {
        let layout = EndpointLayout::new(geometry()).unwrap();
        let pages = (layout.w_size() + layout.r_size()) / PAGE_SIZE;
        self.stage(&Guest::refs(page, pages));
        let id = self.ask(&Request::OpenEndpoint {
            endpoint,
            session: 9,
            geometry: geometry(),
        });
        self.answer(id)
    }

    fn register(&mut self, slot: u16, first_page: u32, pages: u32) -> Status {
        let id = self.ask(&Request::Register {
            endpoint: 0,
            region: key(slot),
            writable: true,
            offset: 100,
            length: 40 * PAGE_SIZE as u32 - 200,
            first_page,
            pages,
            staging: 0,
        });
        self.answer(id)
    }

    fn deregister(&mut self, slot: u16) -> Status {
        let id = self.ask(&Request::Deregister {
            endpoint: 0,
            region: key(slot),
        });
        self.answer(id)
    }

    fn close(&mut self, endpoint: u8) -> Status {
        let id = self.ask(&Request::CloseEndpoint { endpoint });
        self.answer(id)
    }

    /// Ends the device; everything must come back.
    fn end(mut self) {
        self.device.retire(&mut self.home);
        for _ in 0..400 {
            self.completions();
            let mut budget = 32;
            if self.device.gone(&mut budget) {
                break;
            }
        }
        assert!(self.removed);
        assert_eq!(self.device.held(), 0);
        assert_eq!(self.guest.mapped.borrow().len(), DEVICE_PAGES);
        drop(self.device);
        assert_eq!(self.guest.mapped.borrow().len(), 0);
        assert_eq!(self.guest.reserved.get(), 0);
    }
}

/// The smallest endpoint: 55 pages.
fn geometry() -> Geometry {
    Geometry {
        commands: 64,
        unexpected: 64,
        expected: 64,
        transmit: 64 << 10,
        receive: 64 << 10,
    }
}

fn endpoint_pages() -> usize {
    let layout = EndpointLayout::new(geometry()).unwrap();
    (layout.w_size() + layout.r_size()) / PAGE_SIZE
}

fn key(slot: u16) -> RegionKey {
    RegionKey {
        slot,
        generation: 3,
    }
}

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
    let id = world.ask(&Request::Register {
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
fn an_endpoint_whose_process_lies_is_closed_with_a_notice() {
    let mut world = World::new();
    assert_eq!(world.open(0, DATA_PAGE), Status::Ok);
    // An entry without a meaning where the first command is expected: its lap word says that it is there.
    let entry = [0xff; 60];
    let w = world.guest.area(DATA_PAGE, endpoint_pages());
    w.write(EndpointLayout::COMMANDS, &entry).unwrap();
    w.write(EndpointLayout::COMMANDS + 60, &1u32.to_le_bytes())
        .unwrap();
    let mut notice = None;
    for _ in 0..20 {
        world.turn().unwrap();
        if let Some(response) = world.kernel.next_response() {
            notice = Some(response.unwrap());
        }
    }
    let expected = Response {
        id: 0,
        status: Status::Misbehaved,
        endpoint: 0,
    };
    assert_eq!(notice, Some(expected));
    assert_eq!(world.device.held(), 0);
    // The kernel still has to close it.
    assert_eq!(world.open(0, DATA_PAGE), Status::Busy);
    assert_eq!(world.close(0), Status::Ok);
    assert_eq!(world.open(0, DATA_PAGE), Status::Ok);
    world.end();
}

#[test]
fn a_control_page_that_cannot_be_is_refused_before_anything_is_mapped() {
    let guest = Guest::new();
    let mut home = home();
    let connect = |home: &mut Home| {
        Device::connect(
            guest.clone(),
            FIRST_REF,
            identity(),
            8,
            Instant::from_nanos(1),
            home,
        )
        .map(drop)
    };
    assert_eq!(
        connect(&mut home),
        Err(ConnectError::Control(ControlError::BadMagic(0)))
    );
    format(&guest);
    guest.refused.borrow_mut().insert(FIRST_REF + 16);
    assert!(matches!(connect(&mut home), Err(ConnectError::Grant(_))));
    assert_eq!(guest.mapped.borrow().len(), 0);
    guest.refused.borrow_mut().clear();
    assert_eq!(connect(&mut home), Ok(()));
}

#[test]
fn an_impossible_request_index_ends_the_device() {
    let mut world = World::new();
    world
        .guest
        .area(0, 1)
        .write(64, &1000u32.to_le_bytes())
        .unwrap();
    assert_eq!(world.turn(), Err(ControlError::ImpossibleIndex));
    world.end();
}

fn any_request() -> impl Strategy<Value = Request> {
    let endpoint = || 0u8..4;
    let region =
        || (0u16..4, 0u16..2).prop_map(|(slot, generation)| RegionKey { slot, generation });
    prop_oneof![
        (endpoint(), any::<u32>(), any::<bool>()).prop_map(|(endpoint, session, odd)| {
            let mut geometry = geometry();
            if odd {
                geometry.commands = session;
            }
            Request::OpenEndpoint {
                endpoint,
                session,
                geometry,
            }
        }),
        endpoint().prop_map(|endpoint| Request::CloseEndpoint { endpoint }),
        (
            endpoint(),
            region(),
            any::<bool>(),
            any::<u16>(),
            any::<u32>(),
            0u32..60,
            0u32..60,
            0u32..5000
        )
            .prop_map(
                |(endpoint, region, writable, offset, length, first_page, pages, staging)| {
                    Request::Register {
                        endpoint,
                        region,
                        writable,
                        offset: offset % 5000,
                        length: length % 300_000,
                        first_page: first_page.saturating_sub(40),
                        pages,
                        staging: staging.saturating_sub(4000),
                    }
                }
            ),
        (endpoint(), region())
            .prop_map(|(endpoint, region)| Request::Deregister { endpoint, region }),
        Just(Request::Adopted),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_a_kernel_asks_for_is_answered_once_and_given_back(
        requests in proptest::collection::vec((any_request(), 0usize..6, any::<bool>()), 1..60),
    ) {
        let mut world = World::new();
        let mut open = BTreeSet::new();
        let answers = |world: &mut World, open: &mut BTreeSet<u32>| {
            while let Some(response) = world.kernel.next_response() {
                let response = response.unwrap();
                assert!(response.id == 0 || open.remove(&response.id), "{response:?}");
            }
        };
        for (request, turns, bad) in requests {
            world.stage(&Guest::refs(DATA_PAGE, STAGING_REFS.min(GUEST_PAGES - DATA_PAGE)));
            if bad {
                world.guest.refused.borrow_mut().insert(FIRST_REF + DATA_PAGE as u32 + 50);
            } else {
                world.guest.refused.borrow_mut().clear();
            }
            if world.kernel.has_room() {
                open.insert(world.ask(&request));
            }
            for _ in 0..turns {
                world.turn().unwrap();
            }
            answers(&mut world, &mut open);
        }
        for _ in 0..600 {
            world.turn().unwrap();
            answers(&mut world, &mut open);
        }
        prop_assert!(open.is_empty(), "{:?}", open);
        world.end();
    }

    #[test]
    fn no_bytes_in_the_control_pages_make_the_device_fail_hard(
        writes in proptest::collection::vec((0usize..4, 0usize..4088, any::<u64>(), any::<bool>()), 1..60),
    ) {
        let mut world = World::new();
        world.stage(&Guest::refs(DATA_PAGE, 1000));
        for (page, offset, value, small) in writes {
            let page = [0, 2, 3, STAGING_PAGE][page];
            let value = if small { value % 20 } else { value };
            world.guest.area(page, 1).write(offset, &value.to_le_bytes()).unwrap();
            world.device.rung(world.now(), &mut world.home);
            if world.turn().is_err() {
                break;
            }
        }
        world.end();
    }
}
