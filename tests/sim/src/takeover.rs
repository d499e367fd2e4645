//! Backends die at any step, and others take their boards over, as the guests' kernels have it (interfaces §7).

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use fastrand::Rng;
use mx_backend::{Backend, EndpointKey, Instant};
use mx_ring::fake::{StatedCommands, StatedPositions, readdress_pulls};
use mx_ring::{BackendSide, RegionKey};

use crate::death::{Death, Died, Omission, Torn};
use crate::fabric::{BoardPlace, Fabric};
use crate::process::{Port, Process, Stage};

impl Fabric {
    /// A backend dies when it is served next.
    pub fn kill(&mut self, backend: usize, death: Death) {
        let node = &mut self.nodes[backend];
        node.backend
            .borrow_mut()
            .set_tap(Box::new(node.fuse.clone()));
        node.dying = Some(death);
    }

    /// Whether a backend is about to die.
    pub fn dies(&self, backend: usize) -> bool {
        self.nodes[backend].dying.is_some()
    }

    /// Whether a board has no backend.
    pub fn is_down(&self, place: BoardPlace) -> bool {
        self.nodes[place.backend].boards[place.board].id.is_none()
    }

    /// Serves a backend that is about to die; it does not survive that.
    pub(crate) fn serve_last(&mut self, number: usize, death: Death) {
        let stated: Vec<StatedCommands> = self
            .processes_of(number)
            .map(|process| process.port.stated().commands())
            .collect();
        let fuse = self.nodes[number].fuse.clone();
        fuse.set(death.step);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.serve_alive(number)))
            && !panic.is::<Died>()
        {
            resume_unwind(panic);
        }
        fuse.set(0);
        self.network.reset_ring(number);
        while self.network.sent(number).is_some() {}
        while self.network.received(number).is_some() {}
        for (process, stated) in self.processes_of(number).zip(stated) {
            process.port.orphan(death, stated);
            if process.state == Stage::Closing {
                process.state = Stage::Closed;
            }
        }
        self.nodes[number].die();
    }

    fn processes_of(&mut self, number: usize) -> impl Iterator<Item = &mut Process> {
        let processes = self.processes.iter_mut();
        processes.filter_map(move |(of, process)| {
            (*of == number && !process.port.is_down()).then_some(process)
        })
    }

    /// The present backend takes over a board that its predecessor has left: the board itself, each endpoint, each region, and
    /// then the board answers. With `steps` it dies after so many of these.
    pub fn adopt(&mut self, place: BoardPlace, omission: Option<Omission>, steps: Option<u32>) {
        let (now, number) = (self.now, place.backend);
        let node = &mut self.nodes[number];
        let board = node.adopt(now, place.board, omission);
        let backend = node.backend.clone();
        let mut successor = Successor {
            backend: &mut backend.borrow_mut(),
            generation: node.boards[place.board].pages.generation(),
            omission,
            now,
            steps: steps.unwrap_or(u32::MAX),
        };
        for (of, process) in &mut self.processes {
            let has_endpoint = process.board_number == place.board && process.state == Stage::Open;
            if *of == number && has_endpoint {
                process.forgetful = omission == Some(Omission::AskingAgain);
                process.key.board = board;
                let session = process.engine.config().session;
                process.port.adopt(process.key, session, &mut successor);
            }
        }
        if successor.steps == 0 {
            node.dying = Some(Death {
                step: 1,
                silent: false,
                torn: Torn::Nothing,
            });
            return;
        }
        successor.backend.board_ready(now, board);
        node.deadline = Some(now);
    }
}

/// A backend that takes a board over.
struct Successor<'a> {
    backend: &'a mut Backend,
    generation: u32,
    omission: Option<Omission>,
    now: Instant,
    /// So many steps are left to it.
    steps: u32,
}

impl Successor<'_> {
    /// Whether it has another step.
    fn step(&mut self) -> bool {
        self.steps = self.steps.saturating_sub(1);
        self.steps > 0
    }
}

impl Port {
    /// Whether no backend serves it.
    pub(crate) fn is_down(&self) -> bool {
        self.down
    }

    fn stated(&self) -> StatedPositions {
        let layout = *self.side.layout();
        StatedPositions::new(layout, self.pages[1].slice()).expect("an R area")
    }

    /// The backend has died. What it was asked to let go of it has let go of.
    fn orphan(&mut self, death: Death, stated: StatedCommands) {
        self.down = true;
        self.regions.retain(|_, region| !region.leaving);
        if death.silent {
            self.stated().take_back_commands(stated);
        }
        if death.torn != Torn::Nothing {
            self.stated()
                .take_back_events(death.torn == Torn::IndexAndHead);
        }
    }

    /// Has a successor serve the endpoint and reach its regions, as far as its steps go.
    fn adopt(&mut self, key: EndpointKey, session: u32, successor: &mut Successor<'_>) {
        if !successor.step() {
            return;
        }
        let layout = *self.side.layout();
        let [w, r] = self.pages.each_ref().map(|pages| pages.slice());
        if successor.omission == Some(Omission::Generation) {
            readdress_pulls(&layout, &w, successor.generation).expect("a W area");
        }
        let side = if successor.omission == Some(Omission::LapWords) {
            BackendSide::resume(layout, w, r, &self.stated().positions())
        } else {
            BackendSide::adopt(layout, w, r)
        };
        let side = side.expect("areas of the layout");
        let adopted = successor
            .backend
            .adopt_endpoint(successor.now, key, session, side);
        adopted.expect("a free endpoint");
        self.key = key;
        for ((slot, generation), region) in &self.regions {
            if !successor.step() {
                return;
            }
            let region_key = RegionKey {
                slot: *slot,
                generation: *generation,
            };
            let parts = self.parts(&region.memory);
            let registered =
                successor
                    .backend
                    .register_region(key, region_key, region.writable, parts);
            registered.expect("a free slot");
        }
        self.down = false;
    }
}

/// What dies when, and when others take over.
pub struct Takeovers {
    /// The time between a takeover and the next death, on average.
    pub every: Duration,
    /// How long boards are without a backend, on average.
    pub without: Duration,
    /// What is left out.
    pub omission: Option<Omission>,
    random: Rng,
    next: Duration,
    due: Vec<(Duration, BoardPlace)>,
    /// Deaths so far.
    pub deaths: u64,
}

impl Takeovers {
    /// As the seed says.
    pub fn new(every: Duration, without: Duration, omission: Option<Omission>, seed: u64) -> Self {
        Self {
            every,
            without,
            omission,
            random: Rng::with_seed(seed),
            next: every,
            due: Vec::new(),
            deaths: 0,
        }
    }

    /// Does what is due between two steps of the fabric. Each backend has so many boards.
    pub fn act(&mut self, fabric: &mut Fabric, boards: &[usize]) {
        let now = fabric.elapsed();
        // A successor may die before it has all boards.
        let dies = now >= self.next && (self.due.is_empty() || self.random.u32(..200) == 0);
        if dies {
            let backend = match self.due.first() {
                Some((_, place)) => place.backend,
                None => self.random.usize(..boards.len()),
            };
            self.deaths += 1;
            fabric.kill(backend, Death::random(&mut self.random));
            self.due = (0..boards[backend])
                .map(|board| {
                    let at = now + around(self.without, &mut self.random);
                    (at, BoardPlace { backend, board })
                })
                .collect();
            self.due
                .sort_unstable_by_key(|(at, place)| (*at, place.board));
            self.next = now + self.without + around(self.every, &mut self.random);
        }
        while let Some((at, place)) = self.due.first().copied()
            && at <= now
            && fabric.is_down(place)
        {
            let cut = self.random.u32(..16) == 0 && self.omission.is_none();
            let steps = cut.then(|| 1 + self.random.u32(..8));
            fabric.adopt(place, self.omission, steps);
            if fabric.dies(place.backend) {
                self.deaths += 1;
                let again = |board| (now + self.without, BoardPlace { board, ..place });
                self.due = (0..boards[place.backend]).map(again).collect();
            } else {
                self.due.remove(0);
            }
        }
    }

    /// Lets the boards that are down be taken over, and nothing die any more.
    pub fn end(&mut self, fabric: &mut Fabric) {
        while !self.due.is_empty() {
            fabric.step(None);
            self.due.retain(|(_, place)| {
                let down = fabric.is_down(*place);
                if down {
                    fabric.adopt(*place, self.omission, None);
                }
                !down
            });
        }
    }
}

/// From nothing to twice as long.
fn around(mean: Duration, random: &mut Rng) -> Duration {
    Duration::from_nanos(1 + random.u64(..2 * mean.as_nanos() as u64))
}
