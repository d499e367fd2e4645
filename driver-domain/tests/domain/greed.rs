//! A guest that wants all there is, of everything at once, beside one that has work of its own: the domain goes on, and the
//! other one gets what it would get beside any guest under load.

use driver_domain::account::{Limit, Limits, Pools};
use driver_domain::device::Device;
use driver_domain::fake::{FIRST_REF, Guest};
use mx_backend::Completion;
use mx_ring::control::{ControlRequest, Status};
use mx_ring::{Command, CommandBody, Destination, Place, PullOrder, Reach, RegionKey, Window};
use mx_wire::{Content, Eager, Message};

use crate::world::{
    Domain, ENDPOINTS, SESSION, SILENT, geometry, identity, region_page, registration,
};

/// Turns that are measured.
const TURNS: u32 = 2000;
/// Messages, or as much, that a guest's share of a turn is.
const SHARE: u64 = 16;

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
            Place::Inline([b'x'; 32]),
        ),
    }
}

pub fn pull(peer: u16, session: u32, cookie: u32) -> Command {
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
        let register = |slot, pages, staging| registration(endpoint, slot, pages, staging);
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
    // For three guests, as a domain of 64 MiB has it for some twenty.
    let mut domain = Domain::new(Pools::new(12 << 10, 12 << 20, 3));
    let account = domain.account(limits(other));
    let first = domain.join(&account);
    let second = domain.join(&account);
    let ordinary = domain.account(Limits::default());
    let neighbour = domain.join(&ordinary);
    let far = domain.account(Limits::default());
    let sink = domain.join(&far);
    domain.meet_silent(first);
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
        party.stage(&Guest::refs(region_page(), 64));
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
