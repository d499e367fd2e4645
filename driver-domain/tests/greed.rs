//! A guest that wants all there is, of everything at once, beside one that has work of its own: the domain goes on, and the
//! other one gets what it would get beside any guest under load.

use std::rc::Rc;
use std::time::Duration;

use driver_domain::account::{Account, Limit, Limits, Pools};
use driver_domain::device::{Device, Identity};
use driver_domain::doorbell::Doorbell;
use driver_domain::fake::{DATA_PAGE, FIRST_REF, Guest};
use driver_domain::names::Place;
use driver_domain::rounds::Rounds;
use mx_backend::{
    Backend, BackendConfig, Completion, EndpointKey, FrameSink, Handed, HostName, Instant, Payload,
    Sleepers, Token,
};
use mx_board::{BoardId, Full};
use mx_ring::admin::Change;
use mx_ring::control::{
    ControlRequest, DEVICE_PAGES, Doorbells, ModuleControl, STAGING_PAGE, Staging, Status,
};
use mx_ring::{
    BackendSide, Command, CommandBody, Destination, EndpointLayout, Geometry, PAGE_SIZE,
    Place as At, ProcessSide, PullOrder, Reach, RegionKey, Window,
};
use mx_wire::{Content, Eager, Format, MacAddress, Message};

/// Endpoints that a board has.
const ENDPOINTS: u8 = 32;
/// Turns that are measured.
const TURNS: u32 = 2000;
/// Messages, or as much, that a guest's share of a turn is.
const SHARE: u64 = 16;
/// Somebody on the wire who never answers.
const SILENT: MacAddress = MacAddress([2, 7, 7, 7, 7, 7]);
const SESSION: u32 = 9;

/// A wire on which everything is lost.
struct Wire;

impl FrameSink for Wire {
    fn transmit(&mut self, _: &[u8], _: Payload<'_>, _: Token) -> Result<Handed, Full> {
        Ok(Handed::Copied)
    }
}

struct Wakes<'a>(&'a mut [Party]);

impl Sleepers for Wakes<'_> {
    fn wake_if_armed(&mut self, endpoint: EndpointKey, side: &mut BackendSide) {
        if let Some(party) = party_of(self.0, endpoint.board) {
            party.device.wake_if_armed(endpoint.endpoint, side);
        }
    }
}

fn party_of(parties: &mut [Party], board: BoardId) -> Option<&mut Party> {
    parties.iter_mut().find(|party| party.device.serves(board))
}

/// A device, and the guest behind it.
struct Party {
    place: Place,
    account: Rc<Account>,
    guest: Guest,
    device: Device<Guest>,
    kernel: ModuleControl,
    staging: Staging,
    bells: Doorbells,
    doorbell: Doorbell,
    next_id: u32,
    processes: Vec<ProcessSide>,
    /// It has sent an event.
    rings: bool,
    /// Pages that were mapped and unmapped for it, and its requests.
    pages: u64,
}

impl Party {
    /// Commands of its processes that were taken.
    fn taken(&self) -> u64 {
        let sizes = layout(64);
        let count = |endpoint: usize| {
            let first = first_page(endpoint) + sizes.w_size() / PAGE_SIZE;
            let mut index = [0; 4];
            self.guest.slice(first, 1).read(64, &mut index).unwrap();
            u64::from(u32::from_le_bytes(index))
        };
        (0..self.processes.len()).map(count).sum()
    }

    fn post(&mut self, request: &ControlRequest) {
        if self.kernel.has_room() && self.kernel.post(self.next_id, request) {
            self.next_id += 1;
            self.rings = true;
        }
    }

    /// Fills a queue with what `command` says of each endpoint.
    fn load(&mut self, command: impl Fn(usize, u32) -> Command) {
        for (endpoint, process) in self.processes.iter_mut().enumerate() {
            while process.command_room() > 0 {
                let number = process.next_command_index();
                if !process.post(&command(endpoint, number), &[]) {
                    break;
                }
            }
            if process.kick_needed() {
                self.bells.ring(endpoint as u8);
                self.rings = true;
            }
            while process.next_expected().is_some() {}
            while process.next_unexpected().is_some() {}
            process.publish_consumed();
        }
    }
}

fn layout(unexpected: u32) -> EndpointLayout {
    EndpointLayout::new(geometry(unexpected)).unwrap()
}

fn geometry(unexpected: u32) -> Geometry {
    Geometry {
        commands: 64,
        unexpected,
        expected: 64,
        transmit: 64 << 10,
        receive: 64 << 10,
    }
}

fn pages(unexpected: u32) -> usize {
    let layout = layout(unexpected);
    (layout.w_size() + layout.r_size()) / PAGE_SIZE
}

/// Where the queues of an endpoint begin.
fn first_page(endpoint: usize) -> usize {
    DATA_PAGE + endpoint * pages(64)
}

/// What a guest's regions are made of, behind the queues of all endpoints.
fn region_page() -> usize {
    first_page(ENDPOINTS.into())
}

/// The domain, as its loop goes (`driver-domain/src/run.rs`).
struct Domain {
    backend: Backend,
    pools: Rc<Pools>,
    rounds: Rounds,
    parties: Vec<Party>,
    time: u64,
}

impl Domain {
    fn new() -> Self {
        let backend = Backend::new(BackendConfig {
            format: Format::native(9000).unwrap(),
            generation: 1,
            endpoint_max: ENDPOINTS.into(),
            queue_entries: mx_ring::QUEUE_ENTRIES,
            interface: [0; 16],
            driver: [0; 16],
            idle_spell: Duration::from_micros(50),
            seed: 7,
        });
        Self {
            backend,
            // For three guests, as a domain of 64 MiB has it for eight.
            pools: Pools::new(12 << 10, 12 << 20, 3),
            rounds: Rounds::default(),
            parties: Vec::new(),
            time: 1_000_000_000,
        }
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(self.time)
    }

    fn account(&self, limits: Limits) -> Rc<Account> {
        Account::new(&self.pools, limits, self.now())
    }

    /// A guest's device comes.
    fn join(&mut self, account: &Rc<Account>) -> usize {
        let number = self.parties.len() as u16 + 1;
        let guest = Guest::with_pages(region_page() + 64).unwrap();
        let kernel = guest.format();
        let (now, backend) = (self.now(), &mut self.backend);
        let device = Device::connect(
            guest.clone(),
            account,
            FIRST_REF,
            identity(number as u8),
            ENDPOINTS.into(),
            now,
            backend,
        );
        let staging = guest.slice(STAGING_PAGE, DEVICE_PAGES - STAGING_PAGE);
        self.parties.push(Party {
            place: Place {
                guest: number,
                device: 0,
            },
            account: account.clone(),
            device: device.unwrap(),
            kernel,
            staging: Staging::new(staging).unwrap(),
            bells: Doorbells::new(guest.slice(3, 1)).unwrap(),
            guest,
            doorbell: Doorbell::default(),
            next_id: 1,
            processes: Vec::new(),
            rings: false,
            pages: 0,
        });
        self.parties.len() - 1
    }

    /// Opens the next endpoint of a guest.
    fn open(&mut self, party: usize, unexpected: u32) -> Status {
        let it = &mut self.parties[party];
        let endpoint = it.processes.len();
        let first = first_page(endpoint);
        let references = Guest::refs(first, pages(unexpected));
        for (entry, reference) in references.into_iter().enumerate() {
            it.staging.set(entry, reference);
        }
        let status = self.ask(
            party,
            &ControlRequest::OpenEndpoint {
                endpoint: endpoint as u8,
                session: SESSION,
                geometry: geometry(unexpected),
                adopt: false,
            },
        );
        if status == Status::Ok {
            let it = &mut self.parties[party];
            let w = layout(unexpected).w_size() / PAGE_SIZE;
            let (w, r) = (
                it.guest.slice(first, w),
                it.guest.slice(first + w, pages(unexpected) - w),
            );
            let process = ProcessSide::new(layout(unexpected), w, r).unwrap();
            it.processes.push(process);
        }
        status
    }

    fn ask(&mut self, party: usize, request: &ControlRequest) -> Status {
        self.parties[party].post(request);
        for _ in 0..400 {
            self.turn();
            if let Some(response) = self.parties[party].kernel.next_response() {
                return response.unwrap().status;
            }
        }
        panic!("{request:?} was not answered");
    }

    fn turn(&mut self) {
        self.time += 10_000;
        let now = self.now();
        let Self {
            backend,
            rounds,
            parties,
            ..
        } = self;
        for party in parties.iter_mut() {
            let bell = &mut party.doorbell;
            if !bell.is_due(now) {
                continue;
            }
            if !core::mem::take(&mut party.rings) {
                bell.silent(now);
                continue;
            }
            let useful = party.device.rung(now, backend);
            let most = party.account.limits().get(Limit::Doorbells);
            if bell.rang(now, useful, most) {
                party.account.masked();
            }
            if useful {
                rounds.insert(party.place);
            }
        }
        rounds.turn(now, |place, budget| {
            let party = &mut parties[usize::from(place.guest) - 1];
            let before = *budget;
            let turn = party.device.serve(now, backend, &mut Wire, budget).unwrap();
            party.pages += (before - *budget) as u64;
            turn
        });
        backend.turn(now, &mut Wire, &mut Wakes(parties));
        while let Some(completion) = backend.next_completion() {
            let board = match completion {
                Completion::EndpointClosed(key)
                | Completion::RegionReleased(key, _)
                | Completion::Misbehaved(key, _) => key.board,
                Completion::BoardRemoved(board) => board,
            };
            if let Some(party) = party_of(parties, board) {
                party.device.completed(completion);
                rounds.insert(party.place);
            }
        }
    }

    /// How a party knows another one.
    fn peer(&self, party: usize, of: usize) -> u16 {
        self.index(party, identity(of as u8 + 1).mac)
    }

    fn index(&self, party: usize, mac: MacAddress) -> u16 {
        let peers = self.backend.peers(self.parties[party].device.board());
        peers.and_then(|peers| peers.index_of(mac)).unwrap()
    }

    /// All go, and give everything back.
    fn end(mut self) {
        for party in &mut self.parties {
            party.device.retire(&mut self.backend);
        }
        for _ in 0..5000 {
            self.turn();
        }
        let accounts: Vec<_> = self.parties.iter().map(|it| it.account.clone()).collect();
        for mut party in self.parties {
            assert!(party.device.gone(&mut 32));
            drop(party.device);
            assert_eq!(party.guest.mapped.borrow().len(), 0);
        }
        for account in accounts {
            for limit in [Limit::Endpoints, Limit::Regions, Limit::Pages, Limit::Heap] {
                assert_eq!(account.held(limit), 0, "{limit:?}");
            }
        }
    }
}

fn identity(n: u8) -> Identity {
    Identity {
        mac: MacAddress([2, 0, 0, 0, 0, n]),
        name: HostName::new(format!("guest{n}:0").as_bytes()),
    }
}

fn tiny(peer: u16, session: u32) -> Command {
    let content = Content::Tiny(Eager {
        match_info: 9,
        length: 4,
    });
    Command {
        to: Destination {
            peer,
            endpoint: 0,
            session,
        },
        body: CommandBody::Message(
            Message {
                seq: 1,
                ack: 1,
                content,
            },
            At::Inline([b'x'; 32]),
        ),
    }
}

fn pull(peer: u16, session: u32, cookie: u32) -> Command {
    Command {
        to: Destination {
            peer,
            endpoint: 0,
            session,
        },
        body: CommandBody::Pull(PullOrder {
            region: RegionKey::default(),
            offset: 0,
            length: 4 << 20,
            window: 1,
            window_seqnum: 23,
            window_offset: 0,
            cookie,
            backend: 1,
        }),
    }
}

/// What stands beside the neighbour.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    /// A guest with one endpoint that sends messages as fast as it can.
    Loaded,
    /// One that wants everything, whose limits are as low as an operator may well make them.
    LimitedLow,
    /// The same, whose limits are as high as they can be.
    LimitedHigh,
}

/// What came of it.
struct Figures {
    /// Messages of the neighbour that arrived.
    arrived: u64,
    /// Commands of the other guest that were taken, and pages and requests that it was served.
    others: [u64; 2],
    /// What the other guest was refused.
    refused: Vec<(Limit, u32)>,
}

fn limits(beside: Beside) -> Limits {
    let mut limits = Limits::default();
    let low = [
        (Limit::Devices, 2),
        (Limit::Endpoints, 16),
        (Limit::Regions, 30),
        (Limit::Pages, 1300),
        (Limit::Pulls, 256),
        (Limit::Heap, 680),
        (Limit::Nacks, 10),
        (Limit::Reconnects, 6),
        (Limit::LogLines, 6),
        (Limit::Doorbells, 16),
    ];
    for (limit, value) in low {
        let value = match beside {
            Beside::Loaded => limits.get(limit),
            Beside::LimitedLow => value,
            Beside::LimitedHigh => limit.most(),
        };
        limits.set(limit.name(), &value.to_string()).unwrap();
    }
    limits
}

/// Everything that a guest may ask for, in each turn as much as finds room.
struct Greed {
    asked: u32,
    /// A device that comes, if it may, and goes at once.
    third: Guest,
    leaving: Vec<Device<Guest>>,
}

impl Greed {
    fn new() -> Self {
        let third = Guest::new().unwrap();
        third.format();
        Self {
            asked: 0,
            third,
            leaving: Vec::new(),
        }
    }

    fn act(&mut self, domain: &mut Domain, first: usize, second: usize, [to, from]: [u16; 2]) {
        let silent = domain.index(first, SILENT);
        let now = domain.now();
        let party = &mut domain.parties[first];
        while let Some(response) = party.kernel.next_response() {
            response.unwrap();
        }
        while party.kernel.has_room() {
            let request = self.request();
            party.post(&request);
        }
        party.load(|endpoint, number| match endpoint % 5 {
            // Messages; tries for a session of the neighbour's, and of its own; pulls that nobody answers, and some of its own
            // that wait.
            0 => tiny(to, SESSION),
            1 => tiny(from, number),
            2 => tiny(0, number | 1 << 20),
            3 => pull(silent, 1, number),
            _ => pull(0, SESSION, number),
        });
        // Rings without a reason.
        domain.parties[second].rings = true;
        let account = domain.parties[first].account.clone();
        if account.may_connect(now).is_ok() {
            let connected = Device::connect(
                self.third.clone(),
                &account,
                FIRST_REF,
                identity(200),
                ENDPOINTS.into(),
                now,
                &mut domain.backend,
            );
            if let Ok(mut device) = connected {
                device.retire(&mut domain.backend);
                self.leaving.push(device);
            }
        }
        self.leaving.retain_mut(|device| {
            device.completed(Completion::BoardRemoved(device.board()));
            !device.gone(&mut 32)
        });
    }

    /// The next of its requests. References of all queue pages are staged.
    fn request(&mut self) -> ControlRequest {
        self.asked = self.asked.wrapping_add(1);
        let (kind, number) = (self.asked % 8, self.asked / 8);
        let endpoint = (number % 8) as u8;
        let slot = (number / 8 % 64 * 17 % 1024) as u16;
        let region = RegionKey {
            slot,
            generation: 1,
        };
        let register = |slot, pages: u32, staging| ControlRequest::Register {
            endpoint,
            region: RegionKey {
                slot,
                generation: 1,
            },
            writable: true,
            offset: 0,
            length: pages * PAGE_SIZE as u32,
            first_page: 0,
            pages,
            staging,
        };
        match kind {
            0 => ControlRequest::OpenEndpoint {
                endpoint: 31 - endpoint,
                session: SESSION,
                geometry: geometry(64),
                adopt: false,
            },
            // One page, alone; some; many. The reference of the last one cannot be mapped.
            1 => register(slot, 1, 0),
            2 => register(slot + 1 + (number % 16) as u16, 1, 0),
            3 => register(slot + 1024, 30, 0),
            4 => register(slot + 2048, 60, 0),
            5 => register(slot + 3072, 1, 63),
            6 => ControlRequest::Deregister { endpoint, region },
            _ => ControlRequest::Deregister {
                endpoint,
                region: RegionKey {
                    slot: slot + 1024,
                    ..region
                },
            },
        }
    }
}

fn beside(other: Beside) -> Figures {
    let mut domain = Domain::new();
    let account = domain.account(limits(other));
    let first = domain.join(&account);
    let second = domain.join(&account);
    let ordinary = domain.account(Limits::default());
    let neighbour = domain.join(&ordinary);
    let far = domain.account(Limits::default());
    let sink = domain.join(&far);
    let add = ControlRequest::Change(Change::AddPeer {
        mac: SILENT,
        name: [0; 80],
    });
    assert_eq!(domain.ask(first, &add), Status::Ok);
    assert_eq!(domain.open(sink, 4096), Status::Ok);
    assert_eq!(domain.open(neighbour, 64), Status::Ok);
    assert_eq!(domain.open(first, 64), Status::Ok);
    if other != Beside::Loaded {
        while domain.parties[first].processes.len() < 32 && domain.open(first, 64) == Status::Ok {}
        domain.parties[first].processes[0].bind_window(
            1,
            &Window {
                region: RegionKey::default(),
                seqnum: 23,
                reach: Reach::Nothing,
                offset: 0,
                length: 4 << 20,
            },
        );
        let party = &domain.parties[first];
        for (entry, reference) in Guest::refs(region_page(), 64).into_iter().enumerate() {
            party.staging.set(entry, reference);
        }
        let bad = FIRST_REF + region_page() as u32 + 63;
        party.guest.refused.borrow_mut().insert(bad);
    }
    let ways = [domain.peer(first, sink), domain.peer(first, neighbour)];
    let to = domain.peer(neighbour, sink);
    let from = domain.peer(sink, neighbour);
    let mut greed = Greed::new();
    let mut arrived = 0;
    let mut before = [0; 2];
    let mut after = [0; 2];
    // The first turns are for what comes up to its limits.
    for turn in 0..2 * TURNS {
        if turn == TURNS {
            arrived = 0;
        }
        match other {
            Beside::Loaded => domain.parties[first].load(|_, _| tiny(ways[0], SESSION)),
            _ => greed.act(&mut domain, first, second, ways),
        }
        domain.parties[neighbour].load(|_, _| tiny(to, SESSION));
        domain.turn();
        let process = &mut domain.parties[sink].processes[0];
        while let Some(event) = process.next_unexpected() {
            arrived += u64::from(event.unwrap().from.peer == from);
        }
        process.publish_consumed();
        let party = &domain.parties[first];
        after = [party.taken(), party.pages];
        if turn == TURNS - 1 {
            before = after;
        }
    }
    let refused = Limit::ALL.map(|limit| (limit, account.refused(limit)));
    let usage = domain
        .backend
        .usage(domain.parties[first].device.board())
        .unwrap();
    let mut refused = refused.to_vec();
    refused[Limit::Pulls as usize].1 = usage.pulls_refused;
    refused[Limit::Nacks as usize].1 = usage.nacks_refused;
    domain.end();
    Figures {
        arrived,
        others: std::array::from_fn(|of| after[of] - before[of]),
        refused,
    }
}

#[test]
fn beside_a_guest_that_wants_more_than_it_may_of_everything_a_neighbour_has_its_fair_share() {
    let fair = beside(Beside::Loaded);
    println!(
        "beside a loaded guest: {} messages in {TURNS} turns",
        fair.arrived
    );
    assert!(fair.arrived * 100 >= SHARE * u64::from(TURNS) * 99);
    for other in [Beside::LimitedLow, Beside::LimitedHigh] {
        let figures = beside(other);
        let [commands, pages] = figures.others;
        println!(
            "{} messages; the other: {commands} commands, {pages} pages and requests; refused {:?}",
            figures.arrived, figures.refused
        );
        assert!(
            figures.arrived * 100 >= fair.arrived * 95,
            "{}",
            figures.arrived
        );
        // What the other guest got done is no more than its own share.
        let work = commands + pages;
        assert!(work * 100 <= fair.arrived * 105, "{commands} + {pages}");
        if other == Beside::LimitedLow {
            let met = figures.refused.iter().filter(|(_, times)| *times > 0);
            assert_eq!(met.count(), Limit::ALL.len(), "{:?}", figures.refused);
        }
    }
}
