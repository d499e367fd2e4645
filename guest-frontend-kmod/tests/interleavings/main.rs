//! Threads side by side, in random interleavings of all that happens under locks: processes that open, register, change
//! their memory, are killed; the work that takes answers, sweeps and reaps; a backend that dies and another one that takes over;
//! an administrator who takes the board away and gives it another backend. Whatever the order, no lock is taken out of order and no page given back while it is
//! granted (the model checks both), every caller is told something, and nothing is left at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::Poll;

use mx_ring::RegionKey;
use mx_ring::control::Status;
use mx_ring::registration::RegionNotes;
use open_mx_frontend::board::Board;
use open_mx_frontend::endpoint_id::EndpointId;
use open_mx_frontend::errno::Errno;
use open_mx_frontend::frontend::Frontend;
use open_mx_frontend::kernel::{DomainId, Kernel};
use open_mx_frontend::page_set::PageSet;
use open_mx_frontend::quota::Limits;
use open_mx_frontend::shared::Shared;
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner, thread};

use guest::{USER, access, extent, opening};
use model::{BACKEND, Backend, ENDPOINT_PAGES, Model, SPACE};

#[path = "../logic/guest.rs"]
#[allow(dead_code, reason = "the step-by-step tests use the rest")]
mod guest;
#[path = "../logic/model.rs"]
#[allow(dead_code, reason = "the step-by-step tests use the rest")]
mod model;
#[path = "../logic/ordered.rs"]
mod ordered;

/// What the model's locks are made of: switching between threads happens at each of them.
mod sync {
    pub use shuttle::sync::Mutex;
    pub use shuttle::thread_local;
}

const LIMITS: Limits = Limits {
    endpoints: 4,
    pages: 20_000,
};

/// What the threads share.
struct World {
    model: Model,
    frontend: Frontend<Model>,
    /// Nobody while the board is detached.
    backend: sync::Mutex<Option<Backend>>,
    /// The processes have ended.
    over: AtomicBool,
    /// Endpoints that were opened, and regions that were ready.
    reached: [AtomicU32; 2],
}

impl World {
    fn board(&self) -> (&Board<Model>, &Shared<Model>) {
        self.frontend.board(0).expect("board 0")
    }

    fn attach(&self, domain: DomainId) {
        let (board, shared) = self.board();
        let ring_ref = board.attach(shared, domain).expect("there is plenty");
        let backend = Backend::new(&self.model, domain, ring_ref);
        *self.backend.lock().expect("no thread panics") = Some(backend);
        board.connect(shared);
    }

    /// The backend dies; another one is there, at the latest when it is mapped no more.
    fn replace(&self, domain: DomainId) {
        let backend = self.backend.lock().expect("no thread panics").take();
        let (board, shared) = self.board();
        board.orphan(shared);
        if board.is_orphaned() {
            assert_eq!(board.attach(shared, domain), Err(Errno::BUSY));
        }
        if let Some(mut backend) = backend {
            backend.dies();
        }
        self.attach(domain);
    }

    /// The backend says nothing more; what it has said may still be taken.
    fn detach(&self) {
        let backend = self.backend.lock().expect("no thread panics").take();
        let (board, shared) = self.board();
        board.detach(shared);
        if let Some(mut backend) = backend {
            backend.dies();
        }
    }
}

/// As the module does it: nothing is held between two looks.
fn until_ready<R>(mut work: impl FnMut() -> Poll<R>) -> R {
    loop {
        if let Poll::Ready(result) = work() {
            return result;
        }
        thread::yield_now();
    }
}

/// Opens an endpoint; who is killed meanwhile closes it.
fn open(world: &World) -> Result<EndpointId, Errno> {
    let (board, shared) = world.board();
    let wanted = thread_rng().gen_bool(0.3).then_some(1);
    let opening = opening(&world.frontend, wanted, Some(LIMITS));
    let pages = std::iter::repeat_n(1, ENDPOINT_PAGES);
    let pages = PageSet::allocate(&world.model, USER, pages)?;
    let mut queues = Some(board.grant_queues(shared, &opening, pages)?);
    let begun = until_ready(|| board.open(shared, &opening, &mut queues));
    if let Some(unused) = queues {
        shared.give_back(unused);
    }
    let id = begun?;
    if thread_rng().gen_bool(0.1) {
        board.close(shared, id);
        return Err(Errno::INTERRUPTED);
    }
    until_ready(|| board.opened(shared, id))?;
    world.reached[0].fetch_add(1, Ordering::Relaxed);
    Ok(id)
}

/// Registers memory: its key and its watch.
fn register(world: &World, id: EndpointId) -> Result<(RegionKey, u32), Errno> {
    let (board, shared) = world.board();
    let (writable, count) = (thread_rng().gen_bool(0.5), thread_rng().gen_range(1..4));
    // Here under the endpoint's lock, so that the page of its notes is held from then on; the module holds it otherwise.
    let (pinned, watch) = board.usable(id, SPACE, |endpoint| {
        let notes = endpoint.notes().expect("it has");
        world.model.pin(USER, notes, writable, count)
    })?;
    let admitted = shared.admit(pinned, Some(LIMITS))?;
    let granted = board.grant(shared, admitted, count, |_| access(writable))?;
    let mut granted = Some(granted);
    let begun = board.register(shared, id, SPACE, extent(count, writable), &mut granted);
    if let Some(unused) = granted {
        shared.give_back(unused);
    }
    let key = begun?;
    if thread_rng().gen_bool(0.2) {
        world.model.change(watch);
    }
    if thread_rng().gen_bool(0.1) {
        board.abandon(shared, id, key);
        return Err(Errno::INTERRUPTED);
    }
    until_ready(|| board.registered(shared, id, key))?;
    world.reached[1].fetch_add(1, Ordering::Relaxed);
    Ok((key, watch))
}

fn deregister(world: &World, id: EndpointId, key: RegionKey) {
    let (board, shared) = world.board();
    if board.deregister(shared, id, SPACE, key).is_err() {
        return;
    }
    if thread_rng().gen_bool(0.1) {
        board.abandon(shared, id, key);
        return;
    }
    if let Some(pages) = until_ready(|| board.deregistered(id, key)) {
        shared.give_back(pages);
    }
}

/// A message on a region: begun only if nothing has changed, and the region stays while it goes on.
fn message(world: &World, id: EndpointId, key: RegionKey, watch: u32) {
    let (board, _) = world.board();
    // Under the endpoint's lock, where the module's pages cannot go; the library has them mapped.
    let begin = |endpoint: &mut open_mx_frontend::endpoint::GrantedEndpoint<Model>| {
        let notes = world.model.slice(endpoint.notes().expect("it has"), 1);
        let notes = RegionNotes::new(notes).expect("a page");
        endpoint
            .uses(&world.model)
            .is_some_and(|uses| uses.begin(&notes, key))
    };
    let end = |endpoint: &mut open_mx_frontend::endpoint::GrantedEndpoint<Model>| {
        let kept = endpoint.regions.get(key).map(|region| region.is_kept());
        assert_eq!(kept, Some(true), "a region in use stays");
        endpoint.uses(&world.model).expect("it has").end(key);
    };
    let begun = board.usable(id, SPACE, begin);
    if begun == Ok(true) {
        if thread_rng().gen_bool(0.5) {
            world.model.change(watch);
        }
        thread::yield_now();
        let _ = board.usable(id, SPACE, end);
    }
    if thread_rng().gen_bool(0.5) {
        world.model.change(watch);
        let begun = board.usable(id, SPACE, begin);
        assert_ne!(begun, Ok(true), "a message begins on memory that changed");
    }
}

fn process(world: &World) {
    for _ in 0..2 {
        let opened = until_ready(|| match open(world) {
            // The next backend is on its way.
            Err(Errno::NO_DEVICE) => Poll::Pending,
            other => Poll::Ready(other),
        });
        let Ok(id) = opened else {
            continue;
        };
        for _ in 0..2 {
            let Ok((key, watch)) = register(world, id) else {
                continue;
            };
            message(world, id, key, watch);
            if thread_rng().gen_bool(0.6) {
                deregister(world, id, key);
            }
        }
        let (board, shared) = world.board();
        board.close(shared, id);
    }
}

/// Takes requests and answers them, not in their order, not always well.
fn backend(world: &World) {
    while !world.over.load(Ordering::SeqCst) {
        if let Some(backend) = &mut *world.backend.lock().expect("no thread panics") {
            while backend.take() {}
            if !backend.taken.is_empty() {
                let at = thread_rng().gen_range(0..backend.taken.len());
                let status = match thread_rng().gen_bool(0.8) {
                    true => Status::Ok,
                    false => Status::NoSpace,
                };
                backend.answer(at, status, false);
            }
        }
        thread::yield_now();
    }
}

/// The work items: answers, sweeps, deferred unmaps.
fn work(world: &World) {
    let (board, shared) = world.board();
    while !world.over.load(Ordering::SeqCst) {
        board.respond(shared).expect("an honest backend");
        match thread_rng().gen_range(0..3) {
            0 => board.sweep(shared, thread_rng().gen_range(0..4)),
            1 => drop(shared.reap()),
            _ => {}
        }
        thread::yield_now();
    }
}

fn administrator(world: &World) {
    for turn in 1..4 {
        for _ in 0..thread_rng().gen_range(0..2000) {
            thread::yield_now();
        }
        match thread_rng().gen_bool(0.7) {
            true => world.replace(BACKEND + turn),
            false => {
                world.detach();
                world.attach(BACKEND + turn);
            }
        }
    }
}

fn run(reached: &[AtomicU32; 2]) {
    let model = Model::new();
    let frontend = Frontend::new(model.clone()).expect("the test has memory");
    let world = Arc::new(World {
        model,
        frontend,
        backend: sync::Mutex::new(None),
        over: AtomicBool::new(false),
        reached: Default::default(),
    });
    world.attach(BACKEND);
    let spawn = |work: fn(&World)| {
        let world = world.clone();
        thread::spawn(move || work(&world))
    };
    let ending = [process, process, process, administrator].map(spawn);
    let serving = [backend, work].map(spawn);
    for thread in ending {
        thread.join().expect("no thread panics");
    }
    world.over.store(true, Ordering::SeqCst);
    for thread in serving {
        thread.join().expect("no thread panics");
    }
    world.detach();
    let shared = &world.frontend.shared;
    assert!(!shared.reap(), "all backends are dead");
    assert_eq!(world.model.world().held(), (0, 0, 0));
    assert_eq!(shared.users(), 0);
    for (sum, once) in reached.iter().zip(&world.reached) {
        sum.fetch_add(once.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// Each thread has 256 KiB of stack: more than shuttle's own default, which unoptimised code overruns.
fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = 256 << 10;
    config
}

#[test]
fn threads_in_any_interleaving_are_all_told_and_leave_nothing() {
    let reached: Arc<[AtomicU32; 2]> = Arc::default();
    let sums = reached.clone();
    Runner::new(RandomScheduler::new(60), config()).run(move || run(&sums));
    let [opened, registered] = [0, 1].map(|what: usize| reached[what].load(Ordering::Relaxed));
    assert!(opened > 60 && registered > 60, "{opened} {registered}");
}

#[test]
fn rarely_preempted_threads_are_all_told_and_leave_nothing() {
    let reached: Arc<[AtomicU32; 2]> = Arc::default();
    Runner::new(PctScheduler::new(3, 60), config()).run(move || run(&reached));
}
