//! Large messages between a mini and a library's endpoint that sends them back, without Xen.

mod world;

use core::time::Duration;

use minis::caller::{ECHO, KEY, Queues, Region};
use minis::device::Device;
use minis::endpoint::{Endpoint, Manner, SMALLEST, session_of};
use minis::load::Load;
use minis::pattern::LARGE_PAGES;
use minis::work::{Size, Target};
use mx_engine::{Code, Config, Engine, Memory, RequestKey, Selection};
use mx_ring::control::ControlRequest;
use mx_ring::{PAGE_SIZE, RegionKey};
use world::{InProcess, World};

/// Messages that are on their way back at the same time.
const PLACES: u16 = 4;

/// As `conformance peer`.
struct Echo {
    endpoint: Endpoint,
    engine: Engine,
    places: Vec<(Memory, State)>,
}

enum State {
    Free,
    Receives(RequestKey),
    Sends(RequestKey),
}

impl Echo {
    fn open(device: &mut Device<InProcess>) -> Self {
        let session = session_of(device.mac());
        let mut endpoint = Endpoint::of_size(device, ECHO, SMALLEST, Manner::Honest).expect("room");
        endpoint.open(device, session).expect("open");
        let config = Config {
            backend: device.board.generation(),
            ..Config::new(session, KEY, 8192, false)
        };
        let places = (0..PLACES).map(|slot| (memory(device, slot), State::Free));
        Self {
            endpoint,
            engine: Engine::new(config),
            places: places.collect(),
        }
    }

    fn go_on(&mut self, device: &mut Device<InProcess>, now: Duration) {
        let engine = &mut self.engine;
        let queues = &mut Queues {
            process: &mut self.endpoint.process,
        };
        engine.set_now(now);
        assert_eq!(queues.take_events(engine), 0);
        engine.work(queues);
        for (memory, state) in &mut self.places {
            match *state {
                State::Free => {
                    if let Some(found) = engine.probe(&Selection::new(0, 0)) {
                        let wanted = Selection {
                            from: found.partner,
                            ..Selection::new(found.match_info, u64::MAX)
                        };
                        *state = State::Receives(engine.receive(memory.clone(), wanted, 0, queues));
                    }
                }
                State::Receives(key) => {
                    if let Some(done) = engine.take_done(key) {
                        assert_eq!(done.code, Code::Success);
                        let (to, info) = (done.partner.expect("a sender"), done.match_info);
                        let sent = engine.send(to, memory.clone(), info, 0, false, queues);
                        *state = State::Sends(sent);
                    }
                }
                State::Sends(key) => {
                    if let Some(done) = engine.take_done(key) {
                        assert_eq!(done.code, Code::Success);
                        *state = State::Free;
                    }
                }
            }
        }
        self.endpoint.kick(device);
    }
}

/// Registered memory of the echo.
fn memory(device: &mut Device<InProcess>, slot: u16) -> Memory {
    use minis::domain::Domain;
    let pages = device.domain.allocate(LARGE_PAGES).expect("memory");
    let granted: Option<Vec<_>> = (0..LARGE_PAGES)
        .map(|page| device.domain.grant(pages, page, false))
        .collect();
    device.stage(0, &granted.expect("grants"));
    let key = RegionKey {
        slot,
        generation: 1,
    };
    let register = ControlRequest::Register {
        endpoint: ECHO,
        region: key,
        writable: true,
        offset: 0,
        length: (LARGE_PAGES * PAGE_SIZE) as u32,
        first_page: 0,
        pages: LARGE_PAGES as u32,
        staging: 0,
    };
    device.demand(&register).expect("registered");
    Region { pages, key }.memory().expect("memory")
}

#[test]
fn large_messages_to_a_station_come_back_and_are_verified_whatever_the_number_of_endpoints() {
    for endpoints in [1, 8] {
        let world = World::new(2);
        let mut station = Device::connect(world.domain(1)).expect("connected");
        let mut echo = Echo::open(&mut station);
        let mut device = Device::connect(world.domain(0)).expect("connected");
        let mut load = Load::open(&mut device, endpoints).expect("open");
        let target = Target::Station(station.mac());
        let mut verified = 0;
        for _ in 0..2000 {
            let now = world.now();
            let window = (now, now + Duration::from_micros(200));
            let tally = load.run(&mut device, Size::Large, target, window);
            let tally = tally.expect("a run");
            assert_eq!((tally.wrong, tally.lost), (0, 0));
            verified += tally.verified;
            echo.go_on(&mut station, world.now());
        }
        assert!(verified > 100, "{endpoints} endpoints: {verified}");
        drop((echo, load, station, device));
        world.end();
    }
}
