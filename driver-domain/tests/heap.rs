//! What guests make the domain keep: never more than their accounts say, and nothing goes wrong whichever piece of memory is
//! the first that is not to be had.

mod counting;

use std::rc::Rc;

use counting::{RESERVED, UNTIL_SHORT, used};

use driver_domain::account::{Account, Limit, Limits, Pools};
use driver_domain::device::{ConnectError, Device, Identity};
use driver_domain::fake::{DATA_PAGE, FIRST_REF, Guest, Mapped};
use driver_domain::memory::{Access, PageMapper};
use mx_backend::{
    Backend, BackendConfig, FrameSink, Handed, HostName, Instant, Payload, Sleepers, Token,
};
use mx_board::Full;
use mx_ring::admin::Change;
use mx_ring::control::{
    ControlRequest, DEVICE_PAGES, ModuleControl, STAGING_PAGE, Staging, Status,
};
use mx_ring::{
    BackendSide, Command, CommandBody, Destination, EndpointLayout, Geometry, PAGE_SIZE,
    ProcessSide, PullOrder, RegionKey,
};
use mx_wire::{Format, MacAddress};

/// A guest of a domain whose heap may be short of memory.
#[derive(Clone)]
struct Frugal(Guest);

impl PageMapper for Frugal {
    type Pages = Mapped;

    fn reserve(&self, pages: usize, access: Access) -> Option<Mapped> {
        self.0.reserve(pages, access)
    }

    fn is_short(&self) -> bool {
        UNTIL_SHORT.get() == Some(0)
    }
}

/// A wire on which everything is lost.
struct Silence;

impl FrameSink for Silence {
    fn transmit(&mut self, _: &[u8], _: Payload<'_>, _: Token) -> Result<Handed, Full> {
        Ok(Handed::Copied)
    }
}

struct Nobody;

impl Sleepers for Nobody {
    fn wake_if_armed(&mut self, _: mx_backend::EndpointKey, _: &mut BackendSide) {}
}

const LAYOUT: Geometry = Geometry {
    commands: 64,
    unexpected: 64,
    expected: 64,
    transmit: 64 << 10,
    receive: 64 << 10,
};

fn layout() -> EndpointLayout {
    EndpointLayout::new(LAYOUT).unwrap()
}

fn pages() -> usize {
    (layout().w_size() + layout().r_size()) / PAGE_SIZE
}

fn backend() -> Backend {
    Backend::new(BackendConfig {
        format: Format::native(9000).unwrap(),
        generation: 1,
        endpoint_max: 32,
        queue_entries: 64,
        interface: [0; 16],
        driver: [0; 16],
        idle_spell: std::time::Duration::from_micros(50),
        seed: 7,
    })
}

/// A guest's kernel and its device.
struct World {
    backend: Backend,
    guest: Guest,
    kernel: ModuleControl,
    staging: Staging,
    account: Rc<Account>,
    device: Option<Device<Frugal>>,
    time: u64,
    next: u32,
}

impl World {
    fn new(account: Rc<Account>) -> Self {
        let guest = Guest::new().unwrap();
        let kernel = guest.format();
        let staging = guest.slice(STAGING_PAGE, DEVICE_PAGES - STAGING_PAGE);
        Self {
            backend: backend(),
            staging: Staging::new(staging).unwrap(),
            kernel,
            guest,
            account,
            device: None,
            time: 1,
            next: 1,
        }
    }

    /// The guest's kernel starts anew, in pages without anything.
    fn begin_anew(&mut self) {
        for page in 0..DATA_PAGE + 8 * pages() {
            let page = self.guest.slice(page, 1);
            page.write(0, &[0; PAGE_SIZE]).unwrap();
        }
        self.kernel = self.guest.format();
        self.next = 1;
    }

    fn connect(&mut self) -> Result<(), ConnectError> {
        let identity = Identity {
            mac: MacAddress([2, 0, 0, 0, 0, 1]),
            name: HostName::new(b"guest1:0"),
        };
        let memory = Frugal(self.guest.clone());
        let now = Instant::from_nanos(self.time);
        let (account, backend) = (&self.account, &mut self.backend);
        let device = Device::connect(memory, account, FIRST_REF, identity, 32, now, backend)?;
        self.device = Some(device);
        Ok(())
    }

    fn turn(&mut self) {
        self.time += 10_000;
        let now = Instant::from_nanos(self.time);
        let device = self.device.as_mut().expect("connected");
        let mut budget = 32;
        let served = device.serve(now, &mut self.backend, &mut Silence, &mut budget);
        served.expect("an honest kernel");
        self.backend.turn(now, &mut Silence, &mut Nobody);
        while let Some(completion) = self.backend.next_completion() {
            device.completed(completion);
        }
    }

    fn ask(&mut self, request: &ControlRequest) -> Status {
        assert!(self.kernel.post(self.next, request));
        self.next += 1;
        for _ in 0..400 {
            self.turn();
            if let Some(response) = self.kernel.next_response() {
                return response.unwrap().status;
            }
        }
        panic!("{request:?} was not answered");
    }

    fn open(&mut self, endpoint: u8) -> Status {
        let first = DATA_PAGE + usize::from(endpoint) * pages();
        for (entry, reference) in Guest::refs(first, pages()).into_iter().enumerate() {
            self.staging.set(entry, reference);
        }
        self.ask(&ControlRequest::OpenEndpoint {
            endpoint,
            session: 9,
            geometry: LAYOUT,
            adopt: false,
        })
    }

    fn register(&mut self, endpoint: u8, slot: u16) -> Status {
        self.staging.set(0, FIRST_REF + DATA_PAGE as u32);
        self.ask(&ControlRequest::Register {
            endpoint,
            region: region(slot),
            writable: true,
            offset: 0,
            length: PAGE_SIZE as u32,
            first_page: 0,
            pages: 1,
            staging: 0,
        })
    }

    fn deregister(&mut self, endpoint: u8, slot: u16) -> Status {
        let region = region(slot);
        self.ask(&ControlRequest::Deregister { endpoint, region })
    }

    fn process(&self, endpoint: u8) -> ProcessSide {
        let first = DATA_PAGE + usize::from(endpoint) * pages();
        let w = layout().w_size() / PAGE_SIZE;
        let (w, r) = (
            self.guest.slice(first, w),
            self.guest.slice(first + w, pages() - w),
        );
        ProcessSide::new(layout(), w, r).unwrap()
    }

    /// Ends the device, whose memory must all come back.
    fn end(&mut self) {
        let Some(mut device) = self.device.take() else {
            return;
        };
        device.retire(&mut self.backend);
        let mut budget = usize::MAX;
        while let Some(completion) = self.backend.next_completion() {
            device.completed(completion);
        }
        assert!(device.gone(&mut budget));
        drop(device);
        assert_eq!(self.guest.mapped.borrow().len(), 0);
        assert_eq!(self.account.held(Limit::Heap), 0);
        assert_eq!(self.account.held(Limit::Pages), 0);
    }
}

fn region(slot: u16) -> RegionKey {
    RegionKey {
        slot,
        generation: 1,
    }
}

fn account() -> Rc<Account> {
    let pools = Pools::new(1 << 18, 40 << 20, 4);
    Account::new(&pools, Limits::default(), Instant::default())
}

fn silent_peer() -> ControlRequest {
    ControlRequest::Change(Change::AddPeer {
        mac: MacAddress([2, 7, 7, 7, 7, 7]),
        name: [0; 80],
    })
}

/// A pull that nobody answers.
fn pull(cookie: u32) -> Command {
    Command {
        to: Destination {
            peer: 1,
            endpoint: 0,
            session: 1,
        },
        body: CommandBody::Pull(PullOrder {
            region: region(0),
            offset: 0,
            length: 4096,
            window: 0,
            window_seqnum: 0,
            window_offset: 0,
            cookie,
            backend: 1,
        }),
    }
}

#[test]
fn a_guest_never_has_more_of_the_heap_than_its_account_says() {
    let start = used();
    let mut world = World::new(account());
    let before = used();
    world.connect().unwrap();
    let held = |world: &World, besides: usize, what: &str| {
        let (has, charged) = (used() - before, world.account.held(Limit::Heap));
        assert!(
            has <= charged + besides,
            "{what}: {has} bytes, charged {charged}"
        );
    };
    held(&world, 0, "a device");
    assert_eq!(world.ask(&silent_peer()), Status::Ok);
    for endpoint in 0..8 {
        assert_eq!(world.open(endpoint), Status::Ok);
        held(&world, 0, "an endpoint");
    }
    // Slots next to each other, and as far apart as can be.
    for slot in 0..300 {
        assert_eq!(world.register(0, slot), Status::Ok);
        held(&world, 0, "a region");
    }
    for slot in (0..4096).step_by(64) {
        assert_eq!(world.register(1, slot), Status::Ok);
        held(&world, 0, "a lone region");
    }
    for slot in 0..300 {
        assert_eq!(world.deregister(0, slot), Status::Ok);
    }
    held(&world, 0, "after regions");
    let pulls = 64 * driver_domain::account::PULL * 8;
    for endpoint in 0..8 {
        let mut process = world.process(endpoint);
        for cookie in 0..64 {
            while !process.post(&pull(cookie), &[]) {
                world.turn();
            }
        }
        let key = mx_backend::EndpointKey {
            board: world.device.as_ref().unwrap().board(),
            endpoint,
        };
        world.backend.kicked(Instant::from_nanos(world.time), key);
        for _ in 0..100 {
            world.turn();
        }
    }
    let board = world.device.as_ref().unwrap().board();
    assert_eq!(world.backend.usage(board).unwrap().pulls, 8 * 64);
    held(&world, pulls, "pulls");
    world.end();
    drop(world);
    assert!(used() <= start + 1024, "all is given back");
}

/// What a guest does in its life; how far it came.
fn life(world: &mut World) -> [Option<Status>; 6] {
    let mut answers = [None; 6];
    match world.connect() {
        Ok(()) => {}
        Err(ConnectError::Refused(_)) => return answers,
        Err(other) => panic!("{other}"),
    }
    answers[0] = Some(world.ask(&silent_peer()));
    answers[1] = Some(world.open(0));
    answers[2] = Some(world.register(0, 5));
    answers[3] = Some(world.ask(&ControlRequest::Raw { open: true }));
    if answers[1] == Some(Status::Ok) {
        let mut process = world.process(0);
        for cookie in 0..40 {
            assert!(process.post(&pull(cookie), &[]));
        }
        let key = mx_backend::EndpointKey {
            board: world.device.as_ref().unwrap().board(),
            endpoint: 0,
        };
        world.backend.kicked(Instant::from_nanos(world.time), key);
        for _ in 0..20 {
            world.turn();
        }
        answers[4] = Some(world.deregister(0, 5));
        answers[5] = Some(world.ask(&ControlRequest::CloseEndpoint { endpoint: 0 }));
    }
    answers
}

#[test]
fn whichever_allocation_is_the_first_that_finds_nothing_its_guest_is_told_and_the_next_life_is_whole()
 {
    let mut number = 0;
    let mut most = 0;
    loop {
        let mut world = World::new(account());
        UNTIL_SHORT.set(Some(number));
        RESERVED.set(0);
        let answers = life(&mut world);
        let came = UNTIL_SHORT.replace(None) == Some(0);
        most = most.max(RESERVED.get());
        for answer in answers.into_iter().flatten() {
            let clear = [Status::Ok, Status::NoSpace, Status::NotFound];
            assert!(clear.contains(&answer), "allocation {number}: {answers:?}");
        }
        world.end();
        // There is memory again.
        world.begin_anew();
        let whole = life(&mut world);
        assert_eq!(whole, [Some(Status::Ok); 6], "after allocation {number}");
        world.end();
        if !came {
            break;
        }
        number += 1;
    }
    assert!(number > 30, "{number} allocations in a life");
    // The domain keeps 1 MiB for this.
    assert!(most < 256 << 10, "{most} bytes of the reserve");
}
