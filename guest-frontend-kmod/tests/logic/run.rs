//! What may happen to a guest's board: calls, kills, answers, lies and deaths, in whatever order. Checked at each step:
//! no page is given back while the backend could reach it (the model checks at each step), none is lost, every caller
//! is told something in the end.

#[path = "run/wakes.rs"]
mod wakes;

use std::task::Poll;

use crate::guest::{USER, access, extent, opening};
use crate::model::{BACKEND, Backend, ENDPOINT_PAGES, Model, SPACE};
use mx_ring::RegionKey;
use mx_ring::control::{ControlResponse, Status};
use mx_ring::registration::{RESERVES, RegionNotes};
use open_mx_frontend::endpoint_id::EndpointId;
use open_mx_frontend::frontend::Frontend;
use open_mx_frontend::kernel::{DomainId, Kernel};
use open_mx_frontend::page_set::PageSet;
use open_mx_frontend::quota::Limits;
use open_mx_frontend::region::Extent;
use open_mx_frontend::wakes::Wakes;

/// What may happen.
#[derive(Clone, Debug)]
pub enum Step {
    Open {
        endpoint: Option<u8>,
    },
    Register {
        nth: usize,
        pages: usize,
        writable: bool,
        reserve: bool,
    },
    Deregister {
        nth: usize,
    },
    Close {
        nth: usize,
    },
    KillWaiter {
        nth: usize,
    },
    PollWaiters,
    BackendTakes {
        count: usize,
    },
    BackendAnswers {
        nth: usize,
        status: Status,
        lie: bool,
    },
    BackendLetsGo,
    BackendSays {
        id: u32,
        endpoint: u8,
    },
    ModuleResponds,
    /// The backend writes into a page that it may write: D1, D3 or the board's.
    BackendWrites {
        page: usize,
        offset: usize,
        bytes: Vec<u8>,
    },
    /// The backend sets these wake bits and sends an event, so often.
    BackendStorms {
        bits: [u8; 32],
        times: usize,
    },
    /// A process finds nothing and sleeps at an endpoint.
    Sleeps {
        endpoint: u8,
    },
    /// The process changes the memory of a region.
    Change {
        nth: usize,
    },
    /// A message begins to use a region that the library keeps, or ends.
    Use {
        nth: usize,
    },
    Sweep {
        nth: usize,
    },
    Reap,
    GrantsShort {
        left: usize,
    },
    MemoryShort {
        left: usize,
    },
    /// The device is taken away, and comes back with another backend.
    Replace,
    /// The backend stops, and another one may come.
    Orphan,
    /// It maps whatever it can.
    OrphanGrabs,
    /// Xen ends the maps of those that have stopped.
    OrphansDie,
    /// Another backend is there; it says that it serves the board when it is asked again.
    Succeed,
}

#[derive(Clone, Copy, Debug)]
enum Waiter {
    Open(EndpointId),
    Register(EndpointId, RegionKey),
    Deregister(EndpointId, RegionKey),
}

/// A guest with one board, its processes, and its backend.
pub struct Run {
    model: Model,
    frontend: Frontend<Model>,
    backend: Option<Backend>,
    /// Those that have stopped, and map what they have mapped.
    stopped: Vec<Backend>,
    /// Of the present backend, or the last one.
    domain: DomainId,
    waiters: Vec<Waiter>,
    open: Vec<EndpointId>,
    ready: Vec<(EndpointId, RegionKey)>,
    /// Of them, those that a message uses.
    used: Vec<(EndpointId, RegionKey)>,
    /// The watch of each registered region, and whether its memory has changed.
    watches: Vec<(EndpointId, RegionKey, u32, bool)>,
    /// The backend answered what nobody asked.
    faulty: bool,
    /// The wake-ups of each endpoint, and those that were worth an interrupt.
    wakes: Vec<(Wakes, u32)>,
}

/// Answers that the ring holds.
const ANSWERS: u32 = 64;

const LIMITS: Limits = Limits {
    endpoints: 6,
    pages: 20_000,
};

fn pick<T: Copy>(list: &[T], nth: usize) -> Option<T> {
    (!list.is_empty()).then(|| list[nth % list.len()])
}

impl Run {
    /// A board with a backend and no endpoints.
    pub fn new() -> Self {
        let model = Model::new();
        let mut run = Self {
            frontend: Frontend::new(model.clone()).expect("the test has memory"),
            model,
            backend: None,
            stopped: Vec::new(),
            domain: BACKEND,
            waiters: Vec::new(),
            open: Vec::new(),
            ready: Vec::new(),
            used: Vec::new(),
            watches: Vec::new(),
            faulty: false,
            wakes: (0..=u8::MAX).map(|_| (Wakes::new(), 0)).collect(),
        };
        run.attach();
        run.connect();
        run
    }

    fn attach(&mut self) {
        let (board, shared) = self.frontend.board(0).unwrap();
        if let Ok(ring_ref) = board.attach(shared, self.domain) {
            self.backend = Some(Backend::new(&self.model, self.domain, ring_ref));
        }
    }

    fn connect(&self) {
        if self.backend.is_some() {
            let (board, shared) = self.frontend.board(0).unwrap();
            board.connect(shared);
        }
    }

    fn stop(&mut self) {
        self.stopped.extend(self.backend.take());
        self.domain += 1;
    }

    fn stopped_die(&mut self) {
        for mut backend in self.stopped.drain(..) {
            backend.dies();
        }
    }

    fn detach(&mut self) {
        let (board, shared) = self.frontend.board(0).unwrap();
        board.detach(shared);
    }

    /// Roughly where it stands: open endpoints, regions and those in use, callers that wait, whether the backend was
    /// seen to misbehave.
    pub fn state(&self) -> [usize; 5] {
        [
            self.open.len(),
            self.ready.len(),
            self.used.len(),
            self.waiters.len(),
            self.faulty.into(),
        ]
    }

    /// It happens.
    pub fn go(&mut self, step: Step) {
        self.happens(step);
        self.check_used();
    }

    fn happens(&mut self, step: Step) {
        match step {
            Step::Open { endpoint } => self.open(endpoint),
            Step::Register {
                nth,
                pages,
                writable,
                reserve,
            } => {
                let extent = Extent {
                    reserve,
                    ..extent(pages, writable)
                };
                self.register(nth, pages, extent);
            }
            Step::Deregister { nth } => {
                let Some((id, key)) = pick(&self.ready, nth) else {
                    return;
                };
                if self.used.contains(&(id, key)) {
                    return;
                }
                self.ready.retain(|ready| *ready != (id, key));
                let (board, shared) = self.frontend.board(0).unwrap();
                if board.deregister(shared, id, SPACE, key).is_ok() {
                    self.waiters.push(Waiter::Deregister(id, key));
                }
            }
            Step::Close { nth } => {
                let Some(id) = pick(&self.open, nth) else {
                    return;
                };
                self.open.retain(|open| *open != id);
                let (board, shared) = self.frontend.board(0).unwrap();
                board.close(shared, id);
            }
            Step::KillWaiter { nth } => {
                if self.waiters.is_empty() {
                    return;
                }
                let waiter = self.waiters.swap_remove(nth % self.waiters.len());
                let (board, shared) = self.frontend.board(0).unwrap();
                match waiter {
                    Waiter::Open(id) => board.close(shared, id),
                    Waiter::Register(id, key) | Waiter::Deregister(id, key) => {
                        board.abandon(shared, id, key)
                    }
                }
            }
            Step::PollWaiters => self.poll_waiters(),
            Step::BackendTakes { count } => {
                if let Some(backend) = &mut self.backend {
                    for _ in 0..count {
                        backend.take();
                    }
                }
            }
            Step::BackendAnswers { nth, status, lie } => {
                if let Some(backend) = &mut self.backend
                    && !backend.taken.is_empty()
                {
                    backend.answer(nth % backend.taken.len(), status, lie);
                    // The ring has room for 64 responses; an honest backend does not write more.
                    self.respond();
                }
            }
            Step::BackendLetsGo => {
                if let Some(backend) = &mut self.backend {
                    backend.let_go();
                }
            }
            Step::BackendSays { id, endpoint } => {
                if let Some(backend) = &mut self.backend {
                    backend.say(&ControlResponse {
                        id,
                        status: Status::Misbehaved,
                        endpoint,
                    });
                    self.respond();
                }
            }
            Step::ModuleResponds => self.respond(),
            Step::BackendWrites {
                page,
                offset,
                bytes,
            } => {
                if let Some(backend) = &mut self.backend {
                    backend.write(page, offset, &bytes);
                }
            }
            Step::BackendStorms { bits, times } => {
                for _ in 0..times {
                    if let Some(backend) = &mut self.backend {
                        backend.write(3, 64, &bits);
                        self.interrupt();
                    }
                }
            }
            Step::Sleeps { endpoint } => self.sleep(endpoint),
            Step::Change { nth } => self.change(nth),
            Step::Use { nth } => self.use_or_end(nth),
            Step::Sweep { nth } => {
                if let Some(id) = pick(&self.open, nth) {
                    let (board, shared) = self.frontend.board(0).unwrap();
                    board.sweep(shared, id.index);
                }
            }
            Step::Reap => drop(self.frontend.shared.reap()),
            Step::GrantsShort { left } => self.model.world().grants_left = left,
            Step::MemoryShort { left } => self.model.world().memory_left = left,
            Step::Replace => {
                self.detach();
                self.stop();
                self.stopped_die();
                self.attach();
                self.connect();
            }
            Step::Orphan => {
                let (board, shared) = self.frontend.board(0).unwrap();
                board.orphan(shared);
                self.stop();
            }
            Step::OrphanGrabs => self.stopped.iter_mut().for_each(Backend::grab),
            Step::OrphansDie => self.stopped_die(),
            Step::Succeed => match self.backend {
                None => self.attach(),
                Some(_) => self.connect(),
            },
        }
    }

    /// What a message uses stays registered, stale or not, as long as its endpoint is open.
    fn check_used(&mut self) {
        let (board, _) = self.frontend.board(0).unwrap();
        for (id, key) in &self.used {
            let kept = board.usable(*id, SPACE, |endpoint| {
                endpoint
                    .regions
                    .get(*key)
                    .is_some_and(|region| region.is_kept())
            });
            assert_ne!(kept, Ok(false), "{key:?} is in use");
        }
    }

    fn change(&mut self, nth: usize) {
        if self.watches.is_empty() {
            return;
        }
        let at = nth % self.watches.len();
        let (_, _, watch, changed) = &mut self.watches[at];
        *changed = true;
        self.model.change(*watch);
    }

    /// What the library does with a region that it keeps.
    fn use_or_end(&mut self, nth: usize) {
        let Some((id, key)) = pick(&self.ready, nth) else {
            return;
        };
        let (board, shared) = self.frontend.board(0).unwrap();
        let seen = board.at(id.index, |endpoint| {
            let same = endpoint.incarnation == id.incarnation;
            same.then(|| (endpoint.uses(&self.model), endpoint.notes()))
        });
        let Some((Some(uses), Some(notes))) = seen.flatten() else {
            return;
        };
        let notes = RegionNotes::new(self.model.slice(notes, 1)).unwrap();
        let mut stale = false;
        if self.used.contains(&(id, key)) {
            self.used.retain(|used| *used != (id, key));
            uses.end(key);
            stale = !notes.is_valid(key);
        } else if uses.begin(&notes, key) {
            let watched = self.watches.iter().find(|w| (w.0, w.1) == (id, key));
            assert!(
                !watched.unwrap().3,
                "a message begins on memory that changed before"
            );
            self.used.push((id, key));
        } else {
            stale = true;
        }
        if stale {
            self.ready.retain(|ready| *ready != (id, key));
            // Refused: the module has given it back already.
            if board.deregister(shared, id, SPACE, key).is_ok() {
                self.waiters.push(Waiter::Deregister(id, key));
            }
        }
    }

    fn open(&mut self, endpoint: Option<u8>) {
        let pages = std::iter::repeat_n(1, ENDPOINT_PAGES);
        let Ok(pages) = PageSet::allocate(&self.model, USER, pages) else {
            return;
        };
        let opening = opening(&self.frontend, endpoint, Some(LIMITS));
        let (board, shared) = self.frontend.board(0).unwrap();
        let Ok(queues) = board.grant_queues(shared, &opening, pages) else {
            return;
        };
        let mut queues = Some(queues);
        let begun = board.open(shared, &opening, &mut queues);
        if let Some(queues) = queues {
            shared.give_back(queues);
        }
        if let Poll::Ready(Ok(id)) = begun {
            self.waiters.push(Waiter::Open(id));
        }
    }

    fn register(&mut self, nth: usize, pages: usize, extent: Extent) {
        let Some(id) = pick(&self.open, nth) else {
            return;
        };
        let (board, shared) = self.frontend.board(0).unwrap();
        let notes = board.usable(id, SPACE, |endpoint| endpoint.notes());
        let Ok(Some(notes)) = notes else {
            return;
        };
        let writable = extent.writable;
        let limits = match extent.reserve {
            true => LIMITS.for_reserves(),
            false => LIMITS,
        };
        let (pinned, watch) = self.model.pin(USER, notes, writable, pages);
        let granted = shared
            .admit(pinned, Some(limits))
            .and_then(|admitted| board.grant(shared, admitted, pages, |_| access(writable)));
        let Ok(granted) = granted else {
            return;
        };
        let mut granted = Some(granted);
        let begun = board.register(shared, id, SPACE, extent, &mut granted);
        if let Some(unused) = granted {
            shared.give_back(unused);
        }
        let reserves = board.usable(id, SPACE, |endpoint| endpoint.regions.reserves());
        assert!(reserves.unwrap_or(0) <= RESERVES);
        if let Ok(key) = begun {
            self.watches.push((id, key, watch, false));
            self.waiters.push(Waiter::Register(id, key));
        }
    }

    /// A fault of the backend ends the board, as the module does it.
    fn respond(&mut self) {
        for answers in 0.. {
            assert!(answers <= ANSWERS, "the ring of answers has no end");
            let (board, shared) = self.frontend.board(0).unwrap();
            match board.respond(shared) {
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => {
                    self.faulty = true;
                    return self.detach();
                }
            }
        }
    }

    fn poll_waiters(&mut self) {
        let waiters = std::mem::take(&mut self.waiters);
        for waiter in waiters {
            let (board, shared) = self.frontend.board(0).unwrap();
            let pending = match waiter {
                Waiter::Open(id) => {
                    let opened = board.opened(shared, id);
                    if let Poll::Ready(Ok(_)) = opened {
                        self.open.push(id);
                    }
                    opened.is_pending()
                }
                Waiter::Register(id, key) => {
                    let registered = board.registered(shared, id, key);
                    if let Poll::Ready(Ok(())) = registered {
                        self.ready.push((id, key));
                    }
                    registered.is_pending()
                }
                Waiter::Deregister(id, key) => match board.deregistered(id, key) {
                    Poll::Pending => true,
                    Poll::Ready(None) => false,
                    Poll::Ready(Some(pages)) => {
                        shared.give_back(pages);
                        false
                    }
                },
            };
            if pending {
                self.waiters.push(waiter);
            }
        }
    }

    /// The backend answers everything; every waiter is told something.
    fn settle(&mut self) {
        let (board, shared) = self.frontend.board(0).unwrap();
        board.catch_up(shared);
        while let Some(backend) = &mut self.backend {
            while backend.take() {}
            if backend.taken.is_empty() {
                break;
            }
            backend.answer(0, Status::Ok, false);
            self.respond();
        }
        self.poll_waiters();
    }

    /// Everything ends, `orderly` with the backend's help: all that was given is given back.
    pub fn end(mut self, orderly: bool) {
        let mut honest = self.backend.iter().all(|backend| !backend.forged);
        if orderly {
            honest &= self.stopped.iter().all(|backend| !backend.forged);
            self.stopped_die();
            self.model.world().grants_left = 32_000;
            if self.backend.is_none() {
                self.attach();
            }
            self.connect();
            self.settle();
        }
        if orderly && honest && !self.faulty {
            assert!(
                self.waiters.is_empty(),
                "{:?} were told nothing: {:?}",
                self.waiters,
                self.state()
            );
            for id in std::mem::take(&mut self.open) {
                let (board, shared) = self.frontend.board(0).unwrap();
                board.close(shared, id);
            }
            self.settle();
            if let Some(backend) = &mut self.backend {
                backend.let_go();
            }
            self.frontend.shared.reap();
            let (pages, grants, accounted) = self.model.world().held();
            let device = if self.backend.is_some() { 17 } else { 0 };
            assert_eq!(
                (pages, grants, accounted),
                (device, device, 0),
                "before the board is detached"
            );
        }
        self.detach();
        self.poll_waiters();
        assert!(self.waiters.is_empty(), "a detached board answers all");
        self.stop();
        self.stopped_die();
        self.frontend.shared.reap();
        assert_eq!(self.model.world().held(), (0, 0, 0));
        assert_eq!(self.frontend.shared.deferred_unmaps(), 0);
        assert_eq!(self.frontend.shared.users(), 0);
    }
}
