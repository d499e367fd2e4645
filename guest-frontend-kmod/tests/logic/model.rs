//! A kernel and a backend to run the logic against: they know which page is granted, mapped, pinned, and complain at
//! once when a page is freed that another domain may still reach.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mx_ring::control::{
    BackendControl, ControlRequest, ControlResponse, DEVICE_PAGES, STAGING_PAGE, Staging, Status,
};
use mx_ring::mapping::Memfd;
use mx_ring::registration::RegionNotes;
use mx_ring::uapi::RAW_FRAME_MAX;
use mx_ring::{EndpointLayout, Geometry, PAGE_SIZE, VolatileSlice};
use open_mx_frontend::kernel::{Access, DomainId, GrantRef, Kernel};
use open_mx_frontend::lock::LockName;
use open_mx_frontend::page_set::{PageSet, Pinned};
use open_mx_frontend::watch::Watched;

use crate::ordered::{Ordered, grant_operation, holds_a_lock};

/// The domain of the first backend; each successor has another.
pub const BACKEND: DomainId = 7;
/// An address space.
pub const SPACE: u32 = 40;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Allocated,
    Pinned,
}

/// Pages that are ever allocated: each one only once, so that a use after its end is not a use of another.
const MEMORY: usize = 100_000;

struct Page {
    kind: Kind,
    /// Where it lies in the memory; nowhere for a page of a process.
    place: Option<usize>,
    /// Its grants that have not ended.
    grants: usize,
}

struct Grant {
    page: u32,
    domain: DomainId,
    access: Access,
    maps: u32,
}

/// A watch, with the page of its notes.
#[derive(Clone)]
pub struct Watch {
    number: u32,
    watched: Arc<Watched>,
    /// The page of the notes is part of it.
    _memory: Arc<Memfd>,
}

impl AsRef<Watched> for Watch {
    fn as_ref(&self) -> &Watched {
        &self.watched
    }
}

/// Everything that the model knows.
#[derive(Default)]
pub struct World {
    pages: BTreeMap<u32, Page>,
    grants: BTreeMap<GrantRef, Grant>,
    watches: BTreeMap<u32, Watch>,
    next: u32,
    /// Pages that were allocated so far.
    allocated: usize,
    /// Pages accounted to [`SPACE`].
    pub accounted: usize,
    /// Grants that the table still has room for.
    pub grants_left: usize,
    /// Pages that are still free.
    pub memory_left: usize,
    /// Grants left to the kernel.
    pub left: usize,
    /// Events sent.
    pub notified: usize,
    /// Wake-ups of sleepers.
    pub woken: usize,
}

impl World {
    /// Takes a page out, which no other domain may reach any more.
    fn take(&mut self, page: u32, kind: Kind) {
        let taken = self.pages.remove(&page).expect("a page is given back once");
        assert_eq!(taken.kind, kind);
        assert_eq!(
            taken.grants, 0,
            "page {page} is given back while it is granted"
        );
    }

    /// Pages in use, grants in use, pages accounted. A watch ends with its pages.
    pub fn held(&self) -> (usize, usize, usize) {
        assert!(self.accounted > 0 || self.watches.is_empty());
        (self.pages.len(), self.grants.len(), self.accounted)
    }
}

/// The kernel of the tests.
#[derive(Clone)]
pub struct Model {
    world: Arc<Mutex<World>>,
    memory: Arc<Memfd>,
}

impl Model {
    /// A kernel with plenty of everything.
    pub fn new() -> Self {
        let world = World {
            next: 100,
            grants_left: 32_000,
            memory_left: MEMORY,
            ..World::default()
        };
        let memory = Memfd::create("model", MEMORY * PAGE_SIZE).expect("the test has memory");
        Self {
            world: Arc::new(Mutex::new(world)),
            memory: Arc::new(memory),
        }
    }

    /// What the model knows now.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches and pins pages of a process, as the module does before it registers them. The notes lie in the page
    /// `notes`. Says also which watch it is.
    pub fn pin(&self, user: u32, notes: u32, writable: bool, count: usize) -> (PageSet<Self>, u32) {
        let slice = self.slice(notes, 1);
        let mut world = self.world();
        world.next += 1;
        let number = world.next;
        let watch = Watch {
            number,
            watched: Arc::new(Watched::new(RegionNotes::new(slice).expect("a page"))),
            _memory: self.memory.clone(),
        };
        world.watches.insert(number, watch.clone());
        world.accounted += count;
        let pages = (0..count)
            .map(|_| {
                world.next += 1;
                let page = Page {
                    kind: Kind::Pinned,
                    place: None,
                    grants: 0,
                };
                let number = world.next;
                world.pages.insert(number, page);
                number
            })
            .collect();
        drop(world);
        let pinned = Pinned {
            space: SPACE,
            writable,
            watch,
        };
        let page_set = PageSet::pinned(self, user, pinned, pages).expect("the test has memory");
        (page_set, number)
    }

    /// The process puts other pages where pinned ones were: their notifier, if it has not ended, is called.
    pub fn change(&self, watch: u32) {
        if let Some(watch) = self.world().watches.get(&watch) {
            watch.watched.change();
        }
    }

    /// Whether a page may be written by the backend.
    pub fn access(&self, reference: GrantRef) -> Option<Access> {
        self.world()
            .grants
            .get(&reference)
            .map(|grant| grant.access)
    }

    fn map(&self, domain: DomainId, reference: GrantRef) {
        let mut world = self.world();
        let grant = world
            .grants
            .get_mut(&reference)
            .expect("the backend maps only what is granted");
        assert_eq!(grant.domain, domain, "and granted to it");
        grant.maps += 1;
    }

    /// What is granted to a domain and not mapped.
    fn within_reach(&self, domain: DomainId) -> Vec<GrantRef> {
        let world = self.world();
        let grants = world.grants.iter();
        let free = grants.filter(|(_, grant)| grant.domain == domain && grant.maps == 0);
        free.map(|(reference, _)| *reference).collect()
    }

    fn unmap(&self, reference: GrantRef) {
        let mut world = self.world();
        let grant = world
            .grants
            .get_mut(&reference)
            .expect("a grant that is mapped has not ended");
        grant.maps -= 1;
    }

    fn page_of(&self, reference: GrantRef) -> u32 {
        self.world().grants[&reference].page
    }
}

impl Kernel for Model {
    type Page = u32;
    type Space = u32;
    type Watch = Watch;
    type Lock<T> = Ordered<T>;

    fn lock<T>(&self, name: LockName, value: T) -> Ordered<T> {
        Ordered::new(name, value)
    }

    fn allocate(&self, count: usize, mut keep: impl FnMut(u32)) -> bool {
        let mut world = self.world();
        if world.memory_left < count || world.allocated + count > MEMORY {
            return false;
        }
        world.memory_left -= count;
        for _ in 0..count {
            world.next += 1;
            let number = world.next;
            let page = Page {
                kind: Kind::Allocated,
                place: Some(world.allocated),
                grants: 0,
            };
            world.allocated += 1;
            world.pages.insert(number, page);
            keep(number);
        }
        true
    }

    fn free(&self, page: u32) {
        let mut world = self.world();
        world.take(page, Kind::Allocated);
        world.memory_left += 1;
    }

    fn unpin(&self, page: u32, _: bool) {
        assert!(!holds_a_lock(), "ending a pin waits for the page's lock");
        self.world().take(page, Kind::Pinned);
    }

    fn unaccount(&self, space: u32, pages: usize) {
        assert_eq!(space, SPACE);
        self.world().accounted -= pages;
    }

    fn end_watch(&self, watch: Watch) {
        assert!(!holds_a_lock(), "a notifier's end is waited for");
        let known = self.world().watches.remove(&watch.number);
        assert!(known.is_some(), "a watch is ended once");
    }

    fn slice(&self, first: u32, count: usize) -> VolatileSlice {
        let world = self.world();
        let place = world.pages[&first].place.expect("an allocated page");
        let part = self
            .memory
            .slice()
            .part(place * PAGE_SIZE, count * PAGE_SIZE);
        part.expect("within the memory")
    }

    fn grant(&self, domain: DomainId, page: u32, access: Access) -> Option<GrantRef> {
        grant_operation();
        let mut world = self.world();
        world.grants_left = world.grants_left.checked_sub(1)?;
        let granted = world
            .pages
            .get_mut(&page)
            .expect("a page that is granted exists");
        assert_eq!(granted.grants, 0, "one domain at a time has page {page}");
        granted.grants += 1;
        world.next += 1;
        let reference = world.next;
        world.grants.insert(
            reference,
            Grant {
                page,
                domain,
                access,
                maps: 0,
            },
        );
        Some(reference)
    }

    fn end_grant(&self, reference: GrantRef) -> bool {
        grant_operation();
        let mut world = self.world();
        let grant = world.grants.get(&reference).expect("a grant is ended once");
        if grant.maps > 0 {
            return false;
        }
        let page = grant.page;
        world.grants.remove(&reference);
        world.grants_left += 1;
        let granted = world
            .pages
            .get_mut(&page)
            .expect("the page of a grant exists");
        granted.grants -= 1;
        true
    }

    fn leave_grant(&self, reference: GrantRef) {
        let mut world = self.world();
        let grant = world
            .grants
            .remove(&reference)
            .expect("a grant is left once");
        let page = world
            .pages
            .get_mut(&grant.page)
            .expect("the page of a grant exists");
        page.grants -= 1;
        world.left += 1;
    }

    fn look_at_deferred_unmaps(&self) {}

    fn notify(&self, _: usize) {
        self.world().notified += 1;
    }

    fn wake_callers(&self, _: usize) {}

    fn wake_sleepers(&self, _: usize, _: u8) {
        self.world().woken += 1;
    }
}

/// A request that the backend has taken.
pub struct Taken {
    /// Its number.
    pub id: u32,
    /// What it asks.
    pub request: ControlRequest,
    /// It was taken before Ready.
    adopting: bool,
    refs: Vec<GrantRef>,
}

/// The backend of board 0, which maps what it is given.
pub struct Backend {
    model: Model,
    domain: DomainId,
    /// It is to take over from another one, and was not told that it has all.
    pub adopting: bool,
    control: BackendControl,
    staging: Staging,
    device: Vec<GrantRef>,
    /// Requests without an answer.
    pub taken: Vec<Taken>,
    /// What is mapped for an endpoint: its queues, and each region.
    mapped: BTreeMap<(u8, Option<u16>), Vec<GrantRef>>,
    /// It has written what an honest backend does not: from then on nothing is promised to it.
    pub forged: bool,
    /// Still mapped, though answered as if it were not.
    kept: Vec<GrantRef>,
}

impl Backend {
    /// Maps the device pages behind the reference of D0.
    pub fn new(model: &Model, domain: DomainId, ring_ref: GrantRef) -> Self {
        let slice = |reference, count| model.slice(model.page_of(reference), count);
        let d0 = slice(ring_ref, 1);
        let refs = BackendControl::references(&d0).expect("the module formats D0");
        assert_eq!(refs[0], ring_ref);
        for (page, reference) in refs.iter().enumerate() {
            let backend_writes = page == 1 || page == 3 || (4..13).contains(&page);
            let expected = if backend_writes {
                Access::Write
            } else {
                Access::Read
            };
            assert_eq!(model.access(*reference), Some(expected), "D{page}");
            model.map(domain, *reference);
        }
        Self {
            model: model.clone(),
            domain,
            adopting: BackendControl::adopting(&d0).expect("a whole page"),
            control: BackendControl::new(d0, slice(refs[1], 1)).expect("whole pages"),
            staging: Staging::new(slice(refs[STAGING_PAGE], DEVICE_PAGES - STAGING_PAGE))
                .expect("four pages"),
            device: refs.to_vec(),
            taken: Vec::new(),
            mapped: BTreeMap::new(),
            forged: false,
            kept: Vec::new(),
        }
    }

    /// Takes the next request.
    pub fn take(&mut self) -> bool {
        let Some(next) = self.control.next_request() else {
            return false;
        };
        let (id, request) = next.expect("the module writes requests that can be");
        let refs = self.listed(&request);
        self.taken.push(Taken {
            id,
            request,
            adopting: self.adopting,
            refs,
        });
        self.adopting &= request != ControlRequest::Ready;
        true
    }

    fn listed(&self, request: &ControlRequest) -> Vec<GrantRef> {
        let list = |first: u32, count: u32| {
            let get = |entry: u32| {
                self.staging
                    .get(entry as usize)
                    .expect("within the staging pages")
            };
            (first..first + count).map(get).collect()
        };
        match *request {
            ControlRequest::OpenEndpoint { geometry, .. } => {
                let layout = EndpointLayout::new(geometry).expect("the module checks sizes");
                list(0, ((layout.w_size() + layout.r_size()) / PAGE_SIZE) as u32)
            }
            ControlRequest::Register { staging, pages, .. } => list(staging, pages),
            _ => Vec::new(),
        }
    }

    /// Puts a RAW frame where the module takes it.
    pub fn put_frame(&self, frame: &[u8]) {
        assert!(self.control.put_frame(frame));
    }

    /// The RAW frame in the staging pages.
    pub fn staged_frame(&self, length: u16) -> Vec<u8> {
        let mut frame = [0; RAW_FRAME_MAX];
        let length = self.staging.frame(length, &mut frame).expect("a frame");
        frame[..length].to_vec()
    }

    /// Answers the n-th request it has taken; what it accepts it maps, what it gives back it unmaps, unless it lies.
    pub fn answer(&mut self, at: usize, status: Status, lie: bool) -> ControlRequest {
        let Taken {
            id,
            request,
            adopting,
            refs,
        } = self.taken.remove(at);
        if !self.forged {
            self.check(&request, adopting, &refs);
        }
        match request {
            ControlRequest::OpenEndpoint { endpoint, .. } if status == Status::Ok => {
                self.map(endpoint, None, refs);
            }
            ControlRequest::Register {
                endpoint, region, ..
            } if status == Status::Ok => self.map(endpoint, Some(region.slot), refs),
            ControlRequest::CloseEndpoint { endpoint } => {
                let keys = self.mapped.keys().filter(|key| key.0 == endpoint);
                let keys: Vec<_> = keys.copied().collect();
                keys.into_iter().for_each(|key| self.unmap(key, lie));
            }
            ControlRequest::Deregister { endpoint, region } => {
                self.unmap((endpoint, Some(region.slot)), lie);
            }
            _ => {}
        }
        let answered = self.control.respond(&ControlResponse {
            id,
            status,
            endpoint: 0,
        });
        assert!(answered || self.forged, "an honest backend finds room");
        request
    }

    /// What an honest backend may rely on.
    fn check(&self, request: &ControlRequest, adopting: bool, refs: &[GrantRef]) {
        assert_eq!(
            self.listed(request),
            refs,
            "the staged list stays until the answer"
        );
        match *request {
            ControlRequest::OpenEndpoint {
                geometry, adopt, ..
            } => {
                assert_eq!(adopt, adopting, "what is new comes after what is adopted");
                let layout = EndpointLayout::new(geometry).expect("the module checks sizes");
                let (w, r) = refs.split_at(layout.w_size() / PAGE_SIZE);
                self.check_access(w, Access::Read);
                self.check_access(r, Access::Write);
            }
            ControlRequest::Register {
                endpoint, writable, ..
            } => {
                assert!(self.mapped.contains_key(&(endpoint, None)));
                let access = if writable {
                    Access::Write
                } else {
                    Access::Read
                };
                self.check_access(refs, access);
            }
            ControlRequest::CloseEndpoint { endpoint } => {
                assert!(!adopting, "a close before all is adopted");
                let mut others = self.taken.iter();
                assert!(
                    !others.any(|taken| about(&taken.request) == Some(endpoint)),
                    "nothing else about an endpoint waits when it is closed"
                );
            }
            ControlRequest::Ready => assert!(adopting, "a successor hears it once"),
            _ => assert!(!adopting, "{request:?} before all is adopted"),
        }
    }

    fn check_access(&self, refs: &[GrantRef], access: Access) {
        for reference in refs {
            assert_eq!(self.model.access(*reference), Some(access));
        }
    }

    /// Writes a response that nobody asked for, or a notice.
    pub fn say(&mut self, response: &ControlResponse) {
        self.forged |= response.id != 0;
        let said = self.control.respond(response);
        assert!(said || self.forged, "an honest backend finds room");
    }

    /// Writes anything at all into a page of the device that it may write.
    pub fn write(&mut self, page: usize, offset: usize, bytes: &[u8]) {
        self.forged = true;
        let reference = self.device[page % DEVICE_PAGES];
        if self.model.access(reference) == Some(Access::Write) {
            let offset = offset % PAGE_SIZE;
            let fits = bytes.len().min(PAGE_SIZE - offset);
            let slice = self.model.slice(self.model.page_of(reference), 1);
            slice
                .write(offset, &bytes[..fits])
                .expect("within the page");
        }
    }

    fn map(&mut self, endpoint: u8, region: Option<u16>, refs: Vec<GrantRef>) {
        let mapped = self.mapped.entry((endpoint, region)).or_default();
        for reference in refs {
            // Xen refuses a reference whose grant has ended.
            if !self.forged || self.model.access(reference).is_some() {
                self.model.map(self.domain, reference);
                mapped.push(reference);
            }
        }
    }

    fn unmap(&mut self, key: (u8, Option<u16>), lie: bool) {
        for reference in self.mapped.remove(&key).unwrap_or_default() {
            match lie {
                true => self.kept.push(reference),
                false => self.model.unmap(reference),
            }
        }
    }

    /// Maps what is granted to it, whether it was told of it or not.
    pub fn grab(&mut self) {
        self.forged = true;
        for reference in self.model.within_reach(self.domain) {
            self.model.map(self.domain, reference);
            self.kept.push(reference);
        }
    }

    /// What it has mapped for endpoints: of each its index, of each region its slot, too.
    pub fn serves(&self) -> Vec<(u8, Option<u16>)> {
        self.mapped.keys().copied().collect()
    }

    /// Lets go of what it had kept.
    pub fn let_go(&mut self) {
        self.kept
            .drain(..)
            .for_each(|reference| self.model.unmap(reference));
    }

    /// Xen takes a dead domain's mappings away.
    pub fn dies(&mut self) {
        self.let_go();
        let mapped = std::mem::take(&mut self.mapped);
        let all = mapped.into_values().flatten().chain(self.device.drain(..));
        all.for_each(|reference| self.model.unmap(reference));
    }
}

fn about(request: &ControlRequest) -> Option<u8> {
    match *request {
        ControlRequest::OpenEndpoint { endpoint, .. }
        | ControlRequest::CloseEndpoint { endpoint }
        | ControlRequest::Register { endpoint, .. }
        | ControlRequest::Deregister { endpoint, .. } => Some(endpoint),
        ControlRequest::Ready
        | ControlRequest::Raw { .. }
        | ControlRequest::SendRaw { .. }
        | ControlRequest::TakeRaw
        | ControlRequest::Change(_) => None,
    }
}

/// The smallest queues: 40 pages. With the page of the notes an endpoint has [`ENDPOINT_PAGES`].
pub fn small_queues() -> EndpointLayout {
    EndpointLayout::new(Geometry {
        commands: 64,
        unexpected: 64,
        expected: 64,
        transmit: 64 << 10,
        receive: 64 << 10,
    })
    .expect("the smallest sizes")
}

/// Pages of an endpoint with [`small_queues`].
pub const ENDPOINT_PAGES: usize = 41;
