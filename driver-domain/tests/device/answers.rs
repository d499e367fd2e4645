//! Answers for which there is no room: a kernel makes room by taking some, and tells nobody.

use driver_domain::fake::{DATA_PAGE, Guest};
use driver_domain::names::Place;
use driver_domain::rounds::Rounds;
use mx_backend::{Completion, EndpointKey, Instant, Misbehaviour};
use mx_ring::control::{ControlRequest, Status};

use crate::world::{World, endpoint_pages, geometry};

const PLACE: Place = Place {
    guest: 1,
    device: 0,
};

/// The domain's loop as far as one device goes: it serves it when it waits to be served.
struct Loop {
    world: World,
    rounds: Rounds,
    served: usize,
}

impl Loop {
    fn new() -> Self {
        Self {
            world: World::new(),
            rounds: Rounds::default(),
            served: 0,
        }
    }

    /// The kernel's event is taken; whether it brought something.
    fn rung(&mut self) -> bool {
        let now = self.world.now();
        let useful = self.world.device.rung(now, &mut self.world.backend);
        if useful {
            self.rounds.insert(PLACE);
        }
        useful
    }

    /// So many turns, 10 µs apart.
    fn turns(&mut self, count: u32) {
        for _ in 0..count {
            self.world.time += 10_000;
            let now = Instant::from_nanos(self.world.time);
            let (world, served) = (&mut self.world, &mut self.served);
            self.rounds.turn(now, |_, budget| {
                *served += 1;
                let (backend, wire) = (&mut world.backend, &mut world.wire);
                world.device.serve(now, backend, wire, budget).unwrap()
            });
            self.world.backend_turn();
        }
    }

    /// Posts requests that are answered at once, as many as find room, and rings.
    fn ask(&mut self, count: u32) -> u32 {
        let mut posted = 0;
        while posted < count && self.world.kernel.has_room() {
            self.world
                .ask(&ControlRequest::CloseEndpoint { endpoint: 3 });
            posted += 1;
        }
        self.rung();
        posted
    }

    fn answers(&mut self) -> u32 {
        let mut count = 0;
        while let Some(response) = self.world.kernel.next_response() {
            assert_eq!(response.unwrap().status, Status::NotFound);
            count += 1;
        }
        count
    }
}

#[test]
fn answers_that_found_no_room_come_within_a_millisecond_when_there_is_some_without_a_ring() {
    let mut domain = Loop::new();
    let mut posted = 0;
    while posted < 70 {
        let more = domain.ask(70 - posted);
        domain.turns(4);
        posted += more;
    }
    // The ring of answers is full; from now on nobody rings.
    assert_eq!(domain.answers(), 64);
    domain.turns(101);
    assert_eq!(domain.answers(), 6);
    domain.world.end();
}

#[test]
fn a_kernel_that_takes_no_answers_lets_the_domain_rest_however_it_rings() {
    let mut domain = Loop::new();
    assert_eq!(domain.world.open(0, DATA_PAGE), Status::Ok);
    let mut posted = 0;
    while posted < 64 {
        posted += domain.ask(64 - posted);
        domain.turns(4);
    }
    // An endpoint is half open when what is to be said of another one finds no room.
    let second = DATA_PAGE + endpoint_pages();
    domain.world.stage(&Guest::refs(second, endpoint_pages()));
    domain.world.ask(&ControlRequest::OpenEndpoint {
        endpoint: 1,
        session: 9,
        geometry: geometry(),
        adopt: false,
    });
    domain.rung();
    domain.turns(1);
    let endpoint = EndpointKey {
        board: domain.world.device.board(),
        endpoint: 0,
    };
    let lie = Misbehaviour::ImpossibleIndex;
    domain
        .world
        .device
        .completed(Completion::Misbehaved(endpoint, lie));
    domain.turns(100);
    domain.served = 0;
    // A second.
    domain.turns(100_000);
    assert!((990..=1001).contains(&domain.served), "{}", domain.served);
    assert!(!domain.rung(), "there is no room yet");
    assert_eq!(domain.answers(), 64);
    assert!(domain.rung(), "there is room");
    domain.turns(200);
    let rest: Vec<_> = std::iter::from_fn(|| domain.world.kernel.next_response())
        .map(|response| response.unwrap().status)
        .collect();
    assert_eq!(rest, [Status::Misbehaved, Status::Ok]);
    domain.world.end();
}
