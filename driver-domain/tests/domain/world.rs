//! A driver domain with several guests, as its loop goes (`driver-domain/src/run.rs`), in virtual time.

use std::rc::Rc;
use std::time::Duration;

use driver_domain::account::{Account, Limit, Limits, Pools};
use driver_domain::device::{Device, Identity};
use driver_domain::doorbell::Doorbell;
use driver_domain::fake::{DATA_PAGE, FIRST_REF, Guest};
use driver_domain::names::Place;
use driver_domain::rounds::Rounds;
use mx_backend::{
    Backend, BackendConfig, EndpointKey, FrameSink, Handed, HostName, Instant, Payload, Sleepers,
    Token,
};
use mx_board::{BoardId, Full};
use mx_ring::admin::Change;
use mx_ring::control::{
    ControlRequest, DEVICE_PAGES, Doorbells, ModuleControl, STAGING_PAGE, Staging, Status,
};
use mx_ring::{BackendSide, Command, EndpointLayout, Geometry, PAGE_SIZE, ProcessSide, RegionKey};
use mx_wire::{Format, MacAddress};

/// Endpoints that a board has.
pub const ENDPOINTS: u8 = 32;
pub const SESSION: u32 = 9;

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
pub struct Party {
    pub place: Place,
    pub account: Rc<Account>,
    pub guest: Guest,
    pub device: Device<Guest>,
    pub kernel: ModuleControl,
    pub staging: Staging,
    pub bells: Doorbells,
    pub doorbell: Doorbell,
    pub next_id: u32,
    pub processes: Vec<ProcessSide>,
    /// It has sent an event.
    pub rings: bool,
    /// Pages that were mapped and unmapped for it, and its requests.
    pub pages: u64,
}

impl Party {
    /// Commands of its processes that were taken.
    pub fn taken(&self) -> u64 {
        let sizes = layout(64);
        let count = |endpoint: usize| {
            let first = first_page(endpoint) + sizes.w_size() / PAGE_SIZE;
            let mut index = [0; 4];
            self.guest.slice(first, 1).read(64, &mut index).unwrap();
            u64::from(u32::from_le_bytes(index))
        };
        (0..self.processes.len()).map(count).sum()
    }

    /// Stages references for the next request.
    pub fn stage(&self, references: &[u32]) {
        for (entry, reference) in references.iter().enumerate() {
            assert!(self.staging.set(entry, *reference));
        }
    }

    pub fn post(&mut self, request: &ControlRequest) {
        if self.kernel.has_room() && self.kernel.post(self.next_id, request) {
            self.next_id += 1;
            self.rings = true;
        }
    }

    /// Fills a queue with what `command` says of each endpoint.
    pub fn load(&mut self, command: impl Fn(usize, u32) -> Command) {
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

/// Somebody on the wire who never answers.
pub const SILENT: MacAddress = MacAddress([2, 7, 7, 7, 7, 7]);

fn layout(unexpected: u32) -> EndpointLayout {
    EndpointLayout::new(geometry(unexpected)).unwrap()
}

pub fn geometry(unexpected: u32) -> Geometry {
    Geometry {
        commands: 64,
        unexpected,
        expected: 64,
        transmit: 64 << 10,
        receive: 64 << 10,
    }
}

pub fn pages(unexpected: u32) -> usize {
    let layout = layout(unexpected);
    (layout.w_size() + layout.r_size()) / PAGE_SIZE
}

/// Where the queues of an endpoint begin.
fn first_page(endpoint: usize) -> usize {
    DATA_PAGE + endpoint * pages(64)
}

/// What a guest's regions are made of, behind the queues of all endpoints.
pub fn region_page() -> usize {
    first_page(ENDPOINTS.into())
}

/// The domain.
pub struct Domain {
    pub backend: Backend,
    pools: Rc<Pools>,
    rounds: Rounds,
    pub parties: Vec<Party>,
    time: u64,
}

impl Domain {
    pub fn new(pools: Rc<Pools>) -> Self {
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
            pools,
            rounds: Rounds::default(),
            parties: Vec::new(),
            time: 1_000_000_000,
        }
    }

    pub fn now(&self) -> Instant {
        Instant::from_nanos(self.time)
    }

    pub fn account(&self, limits: Limits) -> Rc<Account> {
        Account::new(&self.pools, limits, self.now())
    }

    /// A guest's device comes.
    pub fn join(&mut self, account: &Rc<Account>) -> usize {
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
    pub fn open(&mut self, party: usize, unexpected: u32) -> Status {
        let it = &mut self.parties[party];
        let endpoint = it.processes.len();
        let first = first_page(endpoint);
        let references = Guest::refs(first, pages(unexpected));
        it.stage(&references);
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

    pub fn ask(&mut self, party: usize, request: &ControlRequest) -> Status {
        self.parties[party].post(request);
        for _ in 0..400 {
            self.turn();
            if let Some(response) = self.parties[party].kernel.next_response() {
                return response.unwrap().status;
            }
        }
        panic!("{request:?} was not answered");
    }

    pub fn turn(&mut self) {
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
            let board = completion.board();
            if let Some(party) = party_of(parties, board) {
                party.device.completed(completion);
                rounds.insert(party.place);
            }
        }
    }

    /// A guest's administrator names the peer that never answers.
    pub fn meet_silent(&mut self, party: usize) {
        let add = ControlRequest::Change(Change::AddPeer {
            mac: SILENT,
            name: [0; 80],
        });
        assert_eq!(self.ask(party, &add), Status::Ok);
    }

    /// How a party knows another one.
    pub fn peer(&self, party: usize, of: usize) -> u16 {
        self.index(party, identity(of as u8 + 1).mac)
    }

    pub fn index(&self, party: usize, mac: MacAddress) -> u16 {
        let peers = self.backend.peers(self.parties[party].device.board());
        peers.and_then(|peers| peers.index_of(mac)).unwrap()
    }

    /// All go, and give everything back.
    pub fn end(mut self) {
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

/// Asks for a region of so many pages, whose references are staged from `staging` on.
pub fn registration(endpoint: u8, slot: u16, pages: u32, staging: u32) -> ControlRequest {
    ControlRequest::Register {
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
    }
}

pub fn identity(n: u8) -> Identity {
    Identity {
        mac: MacAddress([2, 0, 0, 0, 0, n]),
        name: HostName::new(format!("guest{n}:0").as_bytes()),
    }
}
