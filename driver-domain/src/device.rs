//! One device of a guest: its 17 pages, its endpoints and regions, and the requests of its kernel.
//!
//! Everything here is bounded: requests are taken one after the other, pages are mapped and unmapped a few in each
//! turn, and what a guest may hold is limited. Whatever lies in the pages is an allegation of the guest's kernel: a
//! request that cannot be is refused, a ring that cannot be ends the device.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use mx_home::{
    BoardId, Completion, EndpointError, EndpointKey, Home, HostName, Instant, Misbehaviour,
    RegionError,
};
use mx_ring::board_page::{self, BoardPages};
use mx_ring::control::{
    ArmedCounters, BOARD_PAGE, ControlError, DEVICE_PAGES, Doorbells, HomeControl, Request,
    Response, STAGING_PAGE, STAGING_REFS, Staging, Status,
};
use mx_ring::{Area, AreaError, EndpointLayout, HomeSide, PAGE_SIZE, RegionKey};
use mx_wire::MacAddress;

use crate::memory::{Access, GuestPages, Memory};

/// Pages that a guest may hold at a time: 192 MiB, so that two greedy guests leave a quarter of the arena to
/// the others.
const PAGES_MAX: usize = 48 << 10;

/// Why a device could not be connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// No room for its pages.
    NoSpace,
    /// A page could not be mapped.
    Grant(String),
    /// Its control page makes no sense.
    Control(ControlError),
    /// The board was not added.
    Board(mx_home::AddBoardError),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSpace => f.write_str("no room to map its pages"),
            Self::Grant(why) => write!(f, "its pages cannot be mapped: {why}"),
            Self::Control(error) => error.fmt(f),
            Self::Board(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ConnectError {}

impl From<ControlError> for ConnectError {
    fn from(error: ControlError) -> Self {
        Self::Control(error)
    }
}

impl From<AreaError> for ConnectError {
    fn from(error: AreaError) -> Self {
        Self::Control(ControlError::Area(error))
    }
}

/// Who a device is.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// Address of its board.
    pub mac: MacAddress,
    /// Name of its board.
    pub name: HostName,
}

/// A connected device.
pub struct Device<M: Memory> {
    memory: M,
    /// Its control pages; unmapped when the device goes.
    _pages: Vec<M::Pages>,
    control: HomeControl,
    armed: ArmedCounters,
    doorbells: Doorbells,
    staging: Staging,
    board: BoardId,
    endpoint_max: u16,
    endpoints: BTreeMap<u8, Endpoint<M::Pages>>,
    job: Option<Job<M::Pages>>,
    /// Pages to be unmapped, and what is to be said when they are.
    waste: VecDeque<Waste<M::Pages>>,
    responses: VecDeque<Response>,
    /// Pages that addresses are reserved for, mapped or not.
    held: usize,
    /// Something was written that the guest's kernel must look at.
    notify: bool,
    removed: bool,
}

/// An endpoint's memory.
struct Endpoint<P> {
    /// W and R; none when the home has closed the endpoint and the kernel has not yet.
    queues: Option<[P; 2]>,
    regions: BTreeMap<u16, Region<P>>,
    /// The request to close it.
    closing: Option<u32>,
}

/// A region's memory.
struct Region<P> {
    key: RegionKey,
    writable: bool,
    offset: u16,
    length: u32,
    pages: P,
    registered: bool,
    /// The request to give it back.
    leaving: Option<u32>,
}

/// A request that takes several turns.
enum Job<P> {
    Open {
        id: u32,
        endpoint: u8,
        session: u32,
        layout: EndpointLayout,
        queues: [P; 2],
    },
    Register {
        id: u32,
        endpoint: u8,
        slot: u16,
        /// Staging entry of the next page, and pages left.
        staging: usize,
        left: usize,
    },
}

struct Waste<P> {
    pages: Option<P>,
    then: Option<Response>,
}

fn answer(id: u32, status: Status) -> Response {
    Response {
        id,
        status,
        endpoint: 0,
    }
}

impl<M: Memory> Device<M> {
    /// Maps the device pages, whose first one is granted by `reference`, and adds the guest's board to the home.
    pub fn connect(
        memory: M,
        reference: u32,
        identity: Identity,
        endpoint_max: u16,
        now: Instant,
        home: &mut Home,
    ) -> Result<Self, ConnectError> {
        let map = |references: &[u32], access| {
            let mut pages = memory
                .reserve(references.len(), access)
                .ok_or(ConnectError::NoSpace)?;
            pages.map(references).map_err(ConnectError::Grant)?;
            Ok::<_, ConnectError>(pages)
        };
        let requests = map(&[reference], Access::Read)?;
        let references = HomeControl::references(&requests.area())?;
        let responses = map(&references[1..2], Access::ReadWrite)?;
        let armed = map(&references[2..3], Access::Read)?;
        let doorbells = map(&references[3..4], Access::ReadWrite)?;
        let board_end = BOARD_PAGE + board_page::PAGES;
        let board = map(&references[BOARD_PAGE..board_end], Access::ReadWrite)?;
        let staging = map(&references[STAGING_PAGE..DEVICE_PAGES], Access::Read)?;
        let control = HomeControl::new(requests.area(), responses.area())?;
        let pages = BoardPages::new(board.area())?;
        pages.format();
        let device_armed = ArmedCounters::new(armed.area())?;
        let device_doorbells = Doorbells::new(doorbells.area())?;
        let device_staging = Staging::new(staging.area())?;
        // A guest's kernel that connects starts from nothing; one that takes its endpoints along would say so.
        let board_id = home
            .add_board(now, identity.mac, identity.name, pages, true)
            .map_err(ConnectError::Board)?;
        Ok(Self {
            memory,
            _pages: vec![requests, responses, armed, doorbells, board, staging],
            control,
            armed: device_armed,
            doorbells: device_doorbells,
            staging: device_staging,
            board: board_id,
            endpoint_max,
            endpoints: BTreeMap::new(),
            job: None,
            waste: VecDeque::new(),
            responses: VecDeque::new(),
            held: 0,
            notify: false,
            removed: false,
        })
    }

    /// Its board.
    pub fn board(&self) -> BoardId {
        self.board
    }

    /// Whether the guest's kernel is to be notified; asks once.
    pub fn take_notify(&mut self) -> bool {
        core::mem::take(&mut self.notify)
    }

    /// Pages of endpoints and regions that the guest holds.
    pub fn held(&self) -> usize {
        self.held
    }

    /// The guest's kernel sent an event: endpoints whose doorbell rang are polled again.
    pub fn rung(&mut self, now: Instant, home: &mut Home) {
        for group in 0..4 {
            let mut bits = self.doorbells.take_rung(group);
            while bits != 0 {
                let endpoint = (group as u32 * 64 + bits.trailing_zeros()) as u8;
                bits &= bits - 1;
                home.kicked(now, self.key(endpoint));
            }
        }
    }

    /// Events were published for an endpoint: wakes its sleeper if there is one.
    pub fn wake_if_armed(&mut self, endpoint: u8, side: &mut HomeSide) {
        if side.sleeper_armed(&self.armed, endpoint) {
            self.doorbells.wake(endpoint);
            self.notify = true;
        }
    }

    fn key(&self, endpoint: u8) -> EndpointKey {
        EndpointKey {
            board: self.board,
            endpoint,
        }
    }

    /// Goes on with what is to be done, with at most `budget` pages mapped or unmapped; whether there is more to do at
    /// once. An error ends the device.
    pub fn serve(
        &mut self,
        now: Instant,
        home: &mut Home,
        budget: &mut usize,
    ) -> Result<bool, ControlError> {
        self.unmap(budget);
        self.flush_responses();
        while self.responses.is_empty() && *budget > 0 {
            if self.job.is_some() {
                self.go_on(now, home, budget);
            } else {
                match self.control.next_request() {
                    None => break,
                    Some(request) => {
                        let (id, request) = request?;
                        // A request costs a share of the turn, too: nobody keeps the others waiting with cheap ones.
                        *budget -= 1;
                        self.request(now, home, id, request);
                    }
                }
            }
            self.flush_responses();
        }
        Ok(self.job.is_some() || !self.waste.is_empty() || *budget == 0)
    }

    fn flush_responses(&mut self) {
        while let Some(response) = self.responses.front() {
            if !self.control.respond(response) {
                break;
            }
            self.responses.pop_front();
            self.notify = true;
        }
    }

    fn respond(&mut self, id: u32, status: Status) {
        self.responses.push_back(answer(id, status));
    }

    fn request(&mut self, now: Instant, home: &mut Home, id: u32, request: Request) {
        let refused = match request {
            Request::OpenEndpoint {
                endpoint,
                session,
                geometry,
            } => match EndpointLayout::new(geometry) {
                Ok(layout) => self.open(id, endpoint, session, layout),
                Err(_) => Err(Status::Invalid),
            },
            Request::CloseEndpoint { endpoint } => self.close(id, endpoint, home),
            Request::Register {
                endpoint,
                region,
                writable,
                offset,
                length,
                first_page,
                pages,
                staging,
            } => self.register(
                id,
                endpoint,
                Wanted {
                    key: region,
                    writable,
                    offset,
                    length,
                },
                first_page as usize,
                pages as usize,
                staging as usize,
            ),
            Request::Deregister { endpoint, region } => self.deregister(id, endpoint, region, home),
            Request::Adopted => {
                home.adopted(now, self.board);
                self.respond(id, Status::Ok);
                Ok(())
            }
        };
        if let Err(status) = refused {
            log::debug!("board {}: request {request:?}: {status:?}", self.board.0);
            self.respond(id, status);
        }
    }

    fn reserve(&mut self, pages: usize, access: Access) -> Result<M::Pages, Status> {
        if self.held + pages > PAGES_MAX {
            return Err(Status::NoSpace);
        }
        let reserved = self.memory.reserve(pages, access).ok_or(Status::NoSpace)?;
        self.held += pages;
        Ok(reserved)
    }

    fn open(
        &mut self,
        id: u32,
        endpoint: u8,
        session: u32,
        layout: EndpointLayout,
    ) -> Result<(), Status> {
        let (w, r) = (layout.w_size() / PAGE_SIZE, layout.r_size() / PAGE_SIZE);
        if u16::from(endpoint) >= self.endpoint_max || w + r > STAGING_REFS {
            return Err(Status::Invalid);
        }
        if self.endpoints.contains_key(&endpoint) {
            return Err(Status::Busy);
        }
        let w = self.reserve(w, Access::Read)?;
        let r = match self.reserve(r, Access::ReadWrite) {
            Ok(r) => r,
            Err(status) => {
                self.discard([w], None);
                return Err(status);
            }
        };
        self.job = Some(Job::Open {
            id,
            endpoint,
            session,
            layout,
            queues: [w, r],
        });
        Ok(())
    }

    fn close(&mut self, id: u32, endpoint: u8, home: &mut Home) -> Result<(), Status> {
        let key = self.key(endpoint);
        let open = self.endpoints.get_mut(&endpoint).ok_or(Status::NotFound)?;
        if open.closing.is_some() {
            return Err(Status::Busy);
        }
        if open.queues.is_none() {
            // The home had closed it; its pages may still be on their way out, in order.
            self.endpoints.remove(&endpoint);
            self.waste.push_back(Waste {
                pages: None,
                then: Some(answer(id, Status::Ok)),
            });
            return Ok(());
        }
        open.closing = Some(id);
        match home.close_endpoint(key) {
            // Busy: closing already, because its process misbehaved.
            Ok(()) | Err(EndpointError::Busy) => Ok(()),
            Err(EndpointError::NoBoard | EndpointError::NotOpen | EndpointError::BadIndex) => {
                self.endpoint_closed(endpoint);
                Ok(())
            }
        }
    }

    fn register(
        &mut self,
        id: u32,
        endpoint: u8,
        wanted: Wanted,
        first_page: usize,
        pages: usize,
        staging: usize,
    ) -> Result<(), Status> {
        let total = wanted.pages().ok_or(Status::Invalid)?;
        let fits = pages > 0
            && first_page
                .checked_add(pages)
                .is_some_and(|end| end <= total)
            && staging
                .checked_add(pages)
                .is_some_and(|end| end <= STAGING_REFS);
        if !fits {
            return Err(Status::Invalid);
        }
        let slot = wanted.key.slot;
        let open = self.endpoints.get(&endpoint).ok_or(Status::NotFound)?;
        if open.closing.is_some() || open.queues.is_none() {
            return Err(Status::NotFound);
        }
        match (first_page, open.regions.get(&slot)) {
            (0, Some(_)) => return Err(Status::Busy),
            (0, None) => {
                let access = if wanted.writable {
                    Access::ReadWrite
                } else {
                    Access::Read
                };
                let pages = self.reserve(total, access)?;
                let region = Region {
                    key: wanted.key,
                    writable: wanted.writable,
                    offset: wanted.offset,
                    length: wanted.length,
                    pages,
                    registered: false,
                    leaving: None,
                };
                if let Some(open) = self.endpoints.get_mut(&endpoint) {
                    open.regions.insert(slot, region);
                }
            }
            (_, None) => return Err(Status::NotFound),
            (_, Some(region)) => {
                let same = region.key == wanted.key
                    && region.writable == wanted.writable
                    && region.offset == wanted.offset
                    && region.length == wanted.length;
                if !same || region.registered || region.pages.mapped() != first_page {
                    return Err(Status::Invalid);
                }
            }
        }
        self.job = Some(Job::Register {
            id,
            endpoint,
            slot,
            staging,
            left: pages,
        });
        Ok(())
    }

    fn deregister(
        &mut self,
        id: u32,
        endpoint: u8,
        key: RegionKey,
        home: &mut Home,
    ) -> Result<(), Status> {
        let endpoint_key = self.key(endpoint);
        let open = self.endpoints.get_mut(&endpoint).ok_or(Status::NotFound)?;
        if open.closing.is_some() || open.queues.is_none() {
            return Err(Status::NotFound);
        }
        let region = open
            .regions
            .get_mut(&key.slot)
            .filter(|region| region.key == key)
            .ok_or(Status::NotFound)?;
        if region.leaving.is_some() {
            return Err(Status::Busy);
        }
        region.leaving = Some(id);
        if region.registered {
            match home.deregister_region(endpoint_key, key) {
                Ok(()) => return Ok(()),
                // The endpoint is being closed by the home: everything goes together.
                Err(RegionError::NotOpen) => return Ok(()),
                Err(RegionError::Busy | RegionError::BadSlot | RegionError::BadParts) => {}
                Err(RegionError::NotFound) => {}
            }
        }
        self.region_released(endpoint, key);
        Ok(())
    }

    /// Maps some more pages of the request under way.
    fn go_on(&mut self, now: Instant, home: &mut Home, budget: &mut usize) {
        match self.job.take() {
            None => {}
            Some(Job::Open {
                id,
                endpoint,
                session,
                layout,
                mut queues,
            }) => {
                let sizes = [layout.w_size() / PAGE_SIZE, layout.r_size() / PAGE_SIZE];
                let before = queues.each_ref().map(GuestPages::mapped);
                let part = usize::from(before[0] == sizes[0]);
                let count = (sizes[part] - before[part]).min(*budget);
                let references = self.staged(before[0] + before[1], count);
                *budget -= count;
                if let Err(why) = queues[part].map(&references) {
                    log::warn!("board {}, endpoint {endpoint}: {why}", self.board.0);
                    return self.discard(queues, Some(answer(id, Status::BadGrant)));
                }
                if part == 0 || before[1] + count < sizes[1] {
                    self.job = Some(Job::Open {
                        id,
                        endpoint,
                        session,
                        layout,
                        queues,
                    });
                    return;
                }
                match self.opened(now, home, endpoint, session, layout, &queues) {
                    Ok(()) => {
                        self.endpoints.insert(
                            endpoint,
                            Endpoint {
                                queues: Some(queues),
                                regions: BTreeMap::new(),
                                closing: None,
                            },
                        );
                        self.respond(id, Status::Ok);
                    }
                    Err(status) => self.discard(queues, Some(answer(id, status))),
                }
            }
            Some(Job::Register {
                id,
                endpoint,
                slot,
                staging,
                left,
            }) => {
                let count = left.min(*budget);
                *budget -= count;
                let references = self.staged(staging, count);
                let key = self.key(endpoint);
                let open = self.endpoints.get_mut(&endpoint);
                // The endpoint may have been closed by the home in the meantime: its regions are gone then.
                let Some(region) = open.and_then(|open| open.regions.get_mut(&slot)) else {
                    return self.respond(id, Status::NotFound);
                };
                if let Err(why) = region.pages.map(&references) {
                    log::warn!("board {}, endpoint {endpoint}, region: {why}", self.board.0);
                    return self.forget(endpoint, slot, Some(answer(id, Status::BadGrant)));
                }
                if left > count {
                    self.job = Some(Job::Register {
                        id,
                        endpoint,
                        slot,
                        staging: staging + count,
                        left: left - count,
                    });
                    return;
                }
                match region.finish(key, home) {
                    Ok(()) => self.respond(id, Status::Ok),
                    Err(status) => self.forget(endpoint, slot, Some(answer(id, status))),
                }
            }
        }
    }

    /// Grant references from the staging pages, copied.
    fn staged(&self, first: usize, count: usize) -> Vec<u32> {
        (first..first + count)
            .map(|entry| self.staging.get(entry).unwrap_or(0))
            .collect()
    }

    fn opened(
        &self,
        now: Instant,
        home: &mut Home,
        endpoint: u8,
        session: u32,
        layout: EndpointLayout,
        [w, r]: &[M::Pages; 2],
    ) -> Result<(), Status> {
        let side = HomeSide::new(layout, w.area(), r.area()).map_err(|_| Status::Invalid)?;
        home.open_endpoint(now, self.key(endpoint), session, side)
            .map_err(|error| match error {
                EndpointError::BadIndex => Status::Invalid,
                EndpointError::Busy => Status::Busy,
                EndpointError::NoBoard | EndpointError::NotOpen => Status::NotFound,
            })
    }

    fn discard(&mut self, pages: impl IntoIterator<Item = M::Pages>, then: Option<Response>) {
        for pages in pages {
            self.waste.push_back(Waste {
                pages: Some(pages),
                then: None,
            });
        }
        match self.waste.back_mut() {
            Some(last) if last.then.is_none() => last.then = then,
            _ => self.waste.push_back(Waste { pages: None, then }),
        }
    }

    /// Forgets a region and unmaps it.
    fn forget(&mut self, endpoint: u8, slot: u16, then: Option<Response>) {
        let region = self
            .endpoints
            .get_mut(&endpoint)
            .and_then(|open| open.regions.remove(&slot));
        self.discard(region.map(|region| region.pages), then);
    }

    fn unmap(&mut self, budget: &mut usize) {
        while let Some(waste) = self.waste.front_mut() {
            if let Some(pages) = &mut waste.pages {
                if *budget == 0 {
                    return;
                }
                let before = pages.mapped();
                let done = pages.unmap_some(*budget);
                *budget -= (before - pages.mapped()).min(*budget);
                if !done {
                    return;
                }
                self.held -= pages.reserved();
            }
            let then = self.waste.pop_front().and_then(|waste| waste.then);
            self.responses.extend(then);
        }
    }

    /// What the home has completed for this device.
    pub fn completed(&mut self, completion: Completion) {
        match completion {
            Completion::EndpointClosed(key) => self.endpoint_closed(key.endpoint),
            Completion::RegionReleased(key, region) => self.region_released(key.endpoint, region),
            Completion::BoardRemoved(_) => self.removed = true,
            Completion::Misbehaved(key, misbehaviour) => self.misbehaved(key, misbehaviour),
        }
    }

    fn endpoint_closed(&mut self, endpoint: u8) {
        let Some(open) = self.endpoints.get_mut(&endpoint) else {
            return;
        };
        let closing = open.closing.take();
        let mut pages: Vec<M::Pages> = open.queues.take().into_iter().flatten().collect();
        for (_, region) in core::mem::take(&mut open.regions) {
            pages.push(region.pages);
            // Who wanted only this region back gets an answer all the same.
            if let Some(id) = region.leaving {
                self.responses.push_back(answer(id, Status::NotFound));
            }
        }
        if closing.is_some() {
            self.endpoints.remove(&endpoint);
        }
        self.discard(pages, closing.map(|id| answer(id, Status::Ok)));
    }

    fn region_released(&mut self, endpoint: u8, key: RegionKey) {
        let leaving = self
            .endpoints
            .get(&endpoint)
            .and_then(|open| open.regions.get(&key.slot))
            .filter(|region| region.key == key)
            .map(|region| region.leaving);
        if let Some(leaving) = leaving {
            self.forget(endpoint, key.slot, leaving.map(|id| answer(id, Status::Ok)));
        }
    }

    fn misbehaved(&mut self, key: EndpointKey, misbehaviour: Misbehaviour) {
        log::warn!(
            "board {}, endpoint {}: closed, its process misbehaved: {misbehaviour}",
            self.board.0,
            key.endpoint
        );
        self.responses.push_back(Response {
            id: 0,
            status: Status::Misbehaved,
            endpoint: key.endpoint,
        });
    }

    /// The device goes: no request is taken any more. [`Self::gone`] tells when its memory is free.
    pub fn retire(&mut self, home: &mut Home) {
        match self.job.take() {
            Some(Job::Open { queues, .. }) => self.discard(queues, None),
            Some(Job::Register { .. }) | None => {}
        }
        home.remove_board(self.board);
    }

    /// Goes on with giving memory back; whether the device holds nothing any more but its control pages, which go
    /// with it.
    pub fn gone(&mut self, budget: &mut usize) -> bool {
        self.unmap(budget);
        self.responses.clear();
        self.removed && self.waste.is_empty()
    }
}

/// A region as a request describes it.
struct Wanted {
    key: RegionKey,
    writable: bool,
    offset: u16,
    length: u32,
}

impl Wanted {
    /// Pages of the whole region; `None` for one that cannot be.
    fn pages(&self) -> Option<usize> {
        let offset = usize::from(self.offset);
        if self.length == 0 || offset >= PAGE_SIZE {
            return None;
        }
        Some((offset + self.length as usize).div_ceil(PAGE_SIZE))
    }
}

impl<P: GuestPages> Region<P> {
    /// Makes a region known to the home once its last page is mapped.
    fn finish(&mut self, endpoint: EndpointKey, home: &mut Home) -> Result<(), Status> {
        let part = self
            .pages
            .area()
            .part(usize::from(self.offset), self.length as usize);
        let Ok(part) = part else {
            // More requests follow.
            return Ok(());
        };
        let parts: Vec<Area> = vec![part];
        home.register_region(endpoint, self.key, self.writable, parts)
            .map_err(|error| match error {
                RegionError::NotOpen | RegionError::NotFound => Status::NotFound,
                RegionError::Busy => Status::Busy,
                RegionError::BadSlot | RegionError::BadParts => Status::Invalid,
            })?;
        self.registered = true;
        Ok(())
    }
}
