//! Every order in which the steps of process, kernel and backend can take effect: no lost wake-up (loom calls it a
//! deadlock), no torn entry (a race on plain memory). `RUSTFLAGS="--cfg loom" cargo test -p mx-ring --release --test loom`
#![cfg(loom)]

mod inbox;
mod pages;
mod queues;
mod registration;
mod sleep;
mod takeover;

use mx_ring::control::{ArmedCounters, Doorbells};
use mx_ring::model::{self, ModelMemory};
use mx_ring::sleep::EndpointWatch;
use mx_ring::{
    BackendSide, Command, CommandBody, EndpointLayout, Event, EventBody, Geometry, Origin,
    Positions, ProcessSide, VolatileSlice,
};
use mx_wire::{NackCode, NackLib};

/// The smallest endpoint: 64 entries in each queue, a receive ring of 64 KiB.
fn layout() -> EndpointLayout {
    EndpointLayout::new(Geometry {
        commands: 64,
        unexpected: 64,
        expected: 64,
        transmit: 64 << 10,
        receive: 64 << 10,
    })
    .unwrap()
}

/// An endpoint whose queues wrap after one more entry.
struct Endpoint {
    w: Box<ModelMemory>,
    r: Box<ModelMemory>,
    control: Box<ModelMemory>,
}

const AT: Positions = Positions {
    command: u32::MAX,
    unexpected: u32::MAX,
    expected: u32::MAX,
    receive: 0,
};

impl Endpoint {
    fn new() -> Self {
        Self::with_slots(&[63, 0, 1])
    }

    fn with_slots(slots: &[usize]) -> Self {
        let layout = layout();
        Self {
            w: Box::new(model::w_memory(&layout, slots)),
            r: Box::new(model::r_memory(&layout, slots, 2)),
            control: Box::new(ModelMemory::default().words([0]).words64([0, 64])),
        }
    }

    fn slices(&self) -> (VolatileSlice, VolatileSlice) {
        let layout = layout();
        // SAFETY: the tests join their threads before they drop the endpoint.
        unsafe {
            (
                VolatileSlice::of_model(&self.w, layout.w_size()),
                VolatileSlice::of_model(&self.r, layout.r_size()),
            )
        }
    }

    fn sides(&self) -> (ProcessSide, BackendSide) {
        let (w, r) = self.slices();
        let process = ProcessSide::resume(layout(), w, r, &AT).unwrap();
        (process, BackendSide::resume(layout(), w, r, &AT).unwrap())
    }

    fn watch(&self) -> EndpointWatch {
        EndpointWatch::new(self.slices().1).unwrap()
    }

    fn control(&self) -> (ArmedCounters, Doorbells) {
        // SAFETY: as for `slices`.
        unsafe {
            let page = VolatileSlice::of_model(&self.control, mx_ring::PAGE_SIZE);
            (
                model::armed_counters(&self.control),
                Doorbells::new(page).unwrap(),
            )
        }
    }
}

fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(model);
}

fn command(number: u32) -> Command {
    Command::to_board(CommandBody::AbortPull { cookie: number })
}

fn event(number: u16) -> Event {
    let from = Origin {
        peer: 0,
        endpoint: 0,
        local: false,
    };
    Event {
        from,
        body: EventBody::Nack(NackLib {
            code: NackCode::BadEndpoint,
            seq: number,
        }),
    }
}

fn take_command(backend: &mut BackendSide) -> Option<Command> {
    backend.next_command().map(|taken| taken.unwrap().1)
}
