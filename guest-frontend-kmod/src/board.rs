//! One board of the guest: its link to a home, its endpoints and their regions.
//!
//! Nothing here blocks. A caller that has to wait for the home gets `Poll::Pending` and asks again when the home has
//! answered something. What a state still needs from the home is posted as soon as there is room.

use alloc::vec::Vec;
use core::task::Poll;

use mx_ring::RegionKey;
use mx_ring::control::{ControlError, ENDPOINTS, Request, Response, STAGING_REFS, Status};

use crate::batch::Batch;
use crate::endpoint::{Endpoint, Opener, State};
use crate::errno::Errno;
use crate::in_flight::Subject;
use crate::kernel::{Access, DomainId, GrantRef, Kernel};
use crate::link::Link;
use crate::pool::Pool;
use crate::quota::Limits;
use crate::region::{Extent, Region, Regions, State as RegionState};

/// Why a home cannot be served any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It wrote something impossible into the control ring.
    Control(ControlError),
    /// It answered a request that nobody made.
    UnknownRequest(u32),
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Control(error) => error.fmt(f),
            Self::UnknownRequest(id) => {
                write!(f, "the home answered request {id}, which nobody made")
            }
        }
    }
}

/// What is asked for with an endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Opening<S> {
    /// Which endpoint; `None` for the first free one.
    pub endpoint: Option<u8>,
    /// Who opens it.
    pub opener: Opener<S>,
    /// What that user may hold; `None` for no limits.
    pub limits: Option<Limits>,
    /// Queue sizes.
    pub layout: mx_ring::EndpointLayout,
    /// Session, random.
    pub session: u32,
    /// A number that no other endpoint has.
    pub incarnation: u32,
}

/// Which endpoint of a board, and which use of its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointId {
    /// Index.
    pub index: u8,
    /// Which use of it.
    pub incarnation: u32,
}

/// A board.
pub struct Board<K: Kernel> {
    number: usize,
    link: Option<Link<K>>,
    endpoints: Vec<Option<Endpoint<K>>>,
    /// Something waits for room in the control ring or the staging pages.
    deferred: bool,
    /// Where the next look for deferred work begins, so that no endpoint always comes last.
    turn: usize,
}

impl<K: Kernel> Board<K> {
    /// A board without a home.
    pub const fn new(number: usize) -> Self {
        Self {
            number,
            link: None,
            endpoints: Vec::new(),
            deferred: false,
            turn: 0,
        }
    }

    /// A home is there: grants it the device pages and returns the reference of D0. `BUSY` when there is one already.
    pub fn attach(&mut self, pool: &mut Pool<K>, domain: DomainId) -> Result<GrantRef, Errno> {
        if self.link.is_some() {
            return Err(Errno::BUSY);
        }
        let missing = ENDPOINTS.saturating_sub(self.endpoints.len());
        self.endpoints
            .try_reserve_exact(missing)
            .map_err(|_| Errno::NO_MEMORY)?;
        self.endpoints.resize_with(ENDPOINTS, || None);
        let mut pages = Link::allocate(&pool.kernel)?;
        if let Err(error) = pool.admit(&pages, None) {
            pages.give_back(&pool.kernel);
            return Err(error);
        }
        let granted = Link::grant(&pool.kernel, &mut pages, domain);
        let refs = match granted {
            Ok(refs) => refs,
            Err(error) => {
                pool.linger(pages);
                return Err(error);
            }
        };
        match Link::new(&pool.kernel, self.number, domain, pages, &refs) {
            Ok(link) => self.link = Some(link),
            Err((pages, _)) => {
                pool.linger(pages);
                return Err(Errno::INVALID);
            }
        }
        Ok(refs[0])
    }

    /// The home says that it serves this device.
    pub fn connect(&mut self) {
        if let Some(link) = &mut self.link {
            link.connected = true;
        }
    }

    /// The home is gone, or is to go. All endpoints end; their pages linger until it has let go of them.
    pub fn detach(&mut self, pool: &mut Pool<K>) {
        for index in 0..self.endpoints.len() {
            let index = index as u8;
            self.at(index)
                .inspect(|endpoint| endpoint.home_gone(&pool.kernel));
            self.remove(pool, index);
            pool.kernel.wake_sleepers(self.number, index);
        }
        if let Some(link) = self.link.take() {
            pool.linger(link.pages);
        }
        self.deferred = false;
        pool.kernel.wake_callers(self.number);
    }

    /// The link, if there is one.
    pub fn link(&self) -> Option<&Link<K>> {
        self.link.as_ref()
    }

    /// The link, if its home serves it.
    pub fn connected(&self) -> Result<&Link<K>, Errno> {
        self.link
            .as_ref()
            .filter(|link| link.connected)
            .ok_or(Errno::NO_DEVICE)
    }

    /// The endpoint at an index, whoever uses it.
    pub fn at(&self, index: u8) -> Option<&Endpoint<K>> {
        self.endpoints.get(usize::from(index))?.as_ref()
    }

    /// An endpoint that its opener may use.
    pub fn usable(&mut self, id: EndpointId, space: K::Space) -> Result<&mut Endpoint<K>, Errno> {
        let endpoint = self.find(id).ok_or(Errno::NO_DEVICE)?;
        endpoint.check_use(space)?;
        Ok(endpoint)
    }

    /// Begins to open an endpoint over these pages (W, then R), which it takes unless it fails or is to be asked again
    /// (`Pending`: the index is still being closed). The opening is over when [`Self::opened`] says so.
    pub fn open(
        &mut self,
        pool: &mut Pool<K>,
        opening: &Opening<K::Space>,
        queues: &mut Option<Batch<K>>,
    ) -> Poll<Result<EndpointId, Errno>> {
        let domain = match self.connected() {
            Ok(link) => link.domain,
            Err(error) => return Poll::Ready(Err(error)),
        };
        let index = match self.free_index(opening.endpoint) {
            Poll::Ready(Ok(index)) => index,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        };
        let id = EndpointId {
            index,
            incarnation: opening.incarnation,
        };
        Poll::Ready(self.install(pool, opening, id, domain, queues).map(|()| id))
    }

    fn free_index(&self, wanted: Option<u8>) -> Poll<Result<u8, Errno>> {
        let Some(index) = wanted else {
            let free = self.endpoints.iter().position(Option::is_none);
            return Poll::Ready(free.map(|index| index as u8).ok_or(Errno::NO_SPACE));
        };
        match self.at(index) {
            None => Poll::Ready(Ok(index)),
            Some(endpoint) if matches!(endpoint.state, State::Closing { .. }) => Poll::Pending,
            Some(_) => Poll::Ready(Err(Errno::BUSY)),
        }
    }

    fn install(
        &mut self,
        pool: &mut Pool<K>,
        opening: &Opening<K::Space>,
        id: EndpointId,
        domain: DomainId,
        queues: &mut Option<Batch<K>>,
    ) -> Result<(), Errno> {
        let user = opening.opener.user;
        let pages = queues.as_ref().ok_or(Errno::INVALID)?;
        pool.quotas.charge(user, 1, 0, opening.limits)?;
        pool.admit(pages, opening.limits)
            .inspect_err(|_| pool.quotas.release(user, 1, 0))?;
        let mut pages = queues.take().ok_or(Errno::INVALID)?;
        let w_pages = opening.layout.w_size() / mx_ring::PAGE_SIZE;
        for page in 0..pages.total() {
            let access = if page < w_pages {
                Access::Read
            } else {
                Access::Write
            };
            if let Err(error) = pages.grant_next(&pool.kernel, domain, access) {
                pool.linger(pages);
                pool.quotas.release(user, 1, 0);
                return Err(error);
            }
        }
        self.endpoints[usize::from(id.index)] = Some(Endpoint {
            incarnation: id.incarnation,
            opener: opening.opener,
            session: opening.session,
            layout: opening.layout,
            queues: pages,
            state: State::Opening { posted: false },
            abandoned: false,
            closed_by_home: false,
            in_flight: 0,
            regions: Regions::new(),
        });
        self.advance(pool, id.index);
        Ok(())
    }

    /// How the opening of an endpoint ended. After an error there is no such endpoint any more.
    pub fn opened(&mut self, pool: &mut Pool<K>, id: EndpointId) -> Poll<Result<u32, Errno>> {
        let Some(endpoint) = self.find(id) else {
            return Poll::Ready(Err(Errno::NO_DEVICE));
        };
        match endpoint.state {
            State::Opening { .. } => Poll::Pending,
            State::Refused(error) => {
                self.remove(pool, id.index);
                Poll::Ready(Err(error))
            }
            State::Open | State::Closing { .. } => Poll::Ready(Ok(endpoint.session)),
        }
    }

    /// Ends an endpoint, in whatever state; nobody waits for an answer about it any more.
    pub fn close(&mut self, pool: &mut Pool<K>, id: EndpointId) {
        let Some(endpoint) = self.find(id) else {
            return;
        };
        match endpoint.state {
            State::Opening { posted: false } | State::Refused(_) => self.remove(pool, id.index),
            State::Opening { posted: true } => endpoint.abandoned = true,
            State::Open => {
                endpoint.state = State::Closing { posted: false };
                self.advance(pool, id.index);
            }
            State::Closing { .. } => {}
        }
    }

    /// Begins to register pinned pages, which it takes unless it fails. It is over when [`Self::registered`] says so.
    pub fn register(
        &mut self,
        pool: &mut Pool<K>,
        id: EndpointId,
        extent: Extent,
        limits: Option<Limits>,
        pages: &mut Option<Batch<K>>,
    ) -> Result<RegionKey, Errno> {
        self.connected()?;
        let endpoint = self.find(id).ok_or(Errno::NO_DEVICE)?;
        let batch = pages.as_ref().ok_or(Errno::INVALID)?;
        let key = endpoint.regions.vacancy()?;
        pool.admit(batch, limits)?;
        let batch = pages.take().ok_or(Errno::INVALID)?;
        endpoint.regions.insert(
            key,
            Region {
                batch,
                extent,
                state: RegionState::Registering { posted: false },
                awaited: true,
            },
        );
        self.advance(pool, id.index);
        Ok(key)
    }

    /// How a registration ended. After an error there is no such region any more.
    pub fn registered(
        &mut self,
        pool: &mut Pool<K>,
        id: EndpointId,
        key: RegionKey,
    ) -> Poll<Result<(), Errno>> {
        let Some(endpoint) = self.find(id) else {
            return Poll::Ready(Err(Errno::NO_DEVICE));
        };
        let Some(region) = endpoint.regions.get(key) else {
            return Poll::Ready(Err(Errno::INVALID));
        };
        match region.state {
            RegionState::Ready => {
                region.awaited = false;
                Poll::Ready(Ok(()))
            }
            RegionState::Refused(error) => {
                if let Some(region) = endpoint.regions.remove(key.slot) {
                    pool.linger(region.batch);
                }
                Poll::Ready(Err(error))
            }
            RegionState::Registering { .. } | RegionState::Leaving { .. } => Poll::Pending,
            RegionState::Left => Poll::Ready(Err(Errno::INVALID)),
        }
    }

    /// Begins to give a region back. It is over when [`Self::deregistered`] says so.
    pub fn deregister(
        &mut self,
        pool: &mut Pool<K>,
        id: EndpointId,
        key: RegionKey,
    ) -> Result<(), Errno> {
        let endpoint = self.find(id).ok_or(Errno::NO_DEVICE)?;
        let region = endpoint.regions.get(key).ok_or(Errno::INVALID)?;
        if region.state != RegionState::Ready {
            return Err(Errno::INVALID);
        }
        region.awaited = true;
        region.state = RegionState::Leaving {
            posted: false,
            refused: None,
        };
        self.advance(pool, id.index);
        Ok(())
    }

    /// Whether a region has been given back; its pages, which the caller now gives back. `None` when they have gone
    /// another way, with their endpoint.
    pub fn deregistered(&mut self, id: EndpointId, key: RegionKey) -> Poll<Option<Batch<K>>> {
        let Some(endpoint) = self.find(id) else {
            return Poll::Ready(None);
        };
        match endpoint.regions.get(key).map(|region| region.state) {
            Some(RegionState::Left) => {
                Poll::Ready(endpoint.regions.remove(key.slot).map(|region| region.batch))
            }
            Some(_) => Poll::Pending,
            None => Poll::Ready(None),
        }
    }

    /// The caller that waited for [`Self::registered`] or [`Self::deregistered`] was killed.
    pub fn abandon(&mut self, pool: &mut Pool<K>, id: EndpointId, key: RegionKey) {
        let Some(endpoint) = self.find(id) else {
            return;
        };
        let Some(region) = endpoint.regions.get(key) else {
            return;
        };
        region.awaited = false;
        match region.state {
            RegionState::Ready => {
                region.state = RegionState::Leaving {
                    posted: false,
                    refused: None,
                };
                self.advance(pool, id.index);
            }
            RegionState::Refused(_) | RegionState::Left => {
                if let Some(region) = endpoint.regions.remove(key.slot) {
                    pool.linger(region.batch);
                }
            }
            RegionState::Registering { .. } | RegionState::Leaving { .. } => {}
        }
    }

    /// Takes one response or notice; false when none waits. After a fault the caller detaches the board.
    pub fn respond(&mut self, pool: &mut Pool<K>) -> Result<bool, Fault> {
        let Some(link) = self.link.as_mut() else {
            return Ok(false);
        };
        let response = match link.next_response() {
            None => return Ok(false),
            Some(Err(error)) => return Err(Fault::Control(error)),
            Some(Ok(response)) => response,
        };
        if response.id == 0 {
            self.notice(pool, &response);
            return Ok(true);
        }
        let subject = link
            .answered(response.id)
            .ok_or(Fault::UnknownRequest(response.id))?;
        let refused = refusal(response.status);
        let index = match subject {
            Subject::Open(index) => self.answer_open(pool, index, refused),
            Subject::Close(index) => {
                self.remove(pool, index);
                index
            }
            Subject::Register(index, slot) => self.answer_register(pool, index, slot, refused),
            Subject::Deregister(index, slot) => self.answer_deregister(pool, index, slot),
        };
        self.advance(pool, index);
        self.advance_deferred(pool);
        pool.kernel.wake_callers(self.number);
        Ok(true)
    }

    fn notice(&mut self, pool: &Pool<K>, notice: &Response) {
        if let Some(Some(endpoint)) = self.endpoints.get_mut(usize::from(notice.endpoint)) {
            endpoint.closed_by_home = true;
            pool.kernel.wake_sleepers(self.number, notice.endpoint);
        }
    }

    fn answer_open(&mut self, pool: &mut Pool<K>, index: u8, refused: Option<Errno>) -> u8 {
        let Some(endpoint) = self.endpoint_answered(index) else {
            return index;
        };
        match refused {
            None if endpoint.abandoned => endpoint.state = State::Closing { posted: false },
            None => endpoint.state = State::Open,
            Some(_) if endpoint.abandoned => self.remove(pool, index),
            Some(error) => endpoint.state = State::Refused(error),
        }
        index
    }

    fn answer_register(
        &mut self,
        pool: &mut Pool<K>,
        index: u8,
        slot: u16,
        refused: Option<Errno>,
    ) -> u8 {
        let Some(endpoint) = self.endpoint_answered(index) else {
            return index;
        };
        let Some((_, region)) = endpoint.regions.in_slot(slot) else {
            return index;
        };
        let granted = region.batch.refs().len();
        region.state = match refused {
            None if granted < region.batch.total() => RegionState::Registering { posted: false },
            None if region.awaited => RegionState::Ready,
            None => RegionState::Leaving {
                posted: false,
                refused: None,
            },
            Some(error) if granted <= STAGING_REFS => RegionState::Refused(error),
            // Earlier pieces are mapped.
            Some(error) => RegionState::Leaving {
                posted: false,
                refused: Some(error),
            },
        };
        self.skip_unawaited(pool, index, slot);
        index
    }

    fn answer_deregister(&mut self, pool: &mut Pool<K>, index: u8, slot: u16) -> u8 {
        let Some(endpoint) = self.endpoint_answered(index) else {
            return index;
        };
        if let Some((_, region)) = endpoint.regions.in_slot(slot) {
            region.state = match region.state {
                RegionState::Leaving {
                    refused: Some(error),
                    ..
                } => RegionState::Refused(error),
                _ => RegionState::Left,
            };
        }
        self.skip_unawaited(pool, index, slot);
        index
    }

    /// A region at its end that nobody waits for goes at once.
    fn skip_unawaited(&mut self, pool: &mut Pool<K>, index: u8, slot: u16) {
        let Some(Some(endpoint)) = self.endpoints.get_mut(usize::from(index)) else {
            return;
        };
        let ended = endpoint.regions.in_slot(slot).is_some_and(|(_, region)| {
            !region.awaited && matches!(region.state, RegionState::Left | RegionState::Refused(_))
        });
        if ended && let Some(region) = endpoint.regions.remove(slot) {
            pool.linger(region.batch);
        }
    }

    fn endpoint_answered(&mut self, index: u8) -> Option<&mut Endpoint<K>> {
        let endpoint = self.endpoints.get_mut(usize::from(index))?.as_mut()?;
        endpoint.in_flight = endpoint.in_flight.saturating_sub(1);
        Some(endpoint)
    }

    fn find(&mut self, id: EndpointId) -> Option<&mut Endpoint<K>> {
        self.endpoints
            .get_mut(usize::from(id.index))?
            .as_mut()
            .filter(|endpoint| endpoint.incarnation == id.incarnation)
    }

    /// Ends an endpoint without asking anybody; its pages linger.
    fn remove(&mut self, pool: &mut Pool<K>, index: u8) {
        let Some(mut endpoint) = self
            .endpoints
            .get_mut(usize::from(index))
            .and_then(Option::take)
        else {
            return;
        };
        for slot in 0..endpoint.regions.slots() {
            if let Some(region) = endpoint.regions.remove(slot) {
                pool.linger(region.batch);
            }
        }
        pool.quotas.release(endpoint.opener.user, 1, 0);
        pool.linger(endpoint.queues);
    }

    fn advance_deferred(&mut self, pool: &mut Pool<K>) {
        if !self.deferred {
            return;
        }
        self.deferred = false;
        self.turn = (self.turn + 1) % ENDPOINTS;
        for step in 0..ENDPOINTS {
            self.advance(pool, ((self.turn + step) % ENDPOINTS) as u8);
        }
    }

    /// Posts what the state of an endpoint and its regions needs from the home, as far as there is room.
    fn advance(&mut self, pool: &mut Pool<K>, index: u8) {
        let (Some(link), Some(Some(endpoint))) = (
            self.link.as_mut(),
            self.endpoints.get_mut(usize::from(index)),
        ) else {
            return;
        };
        let done = match endpoint.state {
            State::Opening { posted: false } => post_open(pool, link, index, endpoint),
            State::Closing { posted: false } if endpoint.in_flight == 0 => {
                let request = Request::CloseEndpoint { endpoint: index };
                let posted = link.post(&pool.kernel, Subject::Close(index), &request);
                endpoint.state = State::Closing { posted };
                posted
            }
            State::Open => advance_regions(pool, link, index, endpoint),
            _ => true,
        };
        self.deferred |= !done;
    }
}

fn post_open<K: Kernel>(
    pool: &Pool<K>,
    link: &mut Link<K>,
    index: u8,
    endpoint: &mut Endpoint<K>,
) -> bool {
    let request = Request::OpenEndpoint {
        endpoint: index,
        session: endpoint.session,
        geometry: endpoint.layout.geometry(),
    };
    let subject = Subject::Open(index);
    let posted = link.post_staged(&pool.kernel, subject, &request, endpoint.queues.refs());
    if posted {
        endpoint.state = State::Opening { posted: true };
        endpoint.in_flight += 1;
    }
    posted
}

fn advance_regions<K: Kernel>(
    pool: &mut Pool<K>,
    link: &mut Link<K>,
    index: u8,
    endpoint: &mut Endpoint<K>,
) -> bool {
    let mut done = true;
    for slot in 0..endpoint.regions.slots() {
        let Some((key, region)) = endpoint.regions.in_slot(slot) else {
            continue;
        };
        let posted = match region.state {
            RegionState::Registering { posted: false } => {
                post_piece(pool, link, index, key, region)
            }
            RegionState::Leaving {
                posted: false,
                refused,
            } => {
                let request = Request::Deregister {
                    endpoint: index,
                    region: key,
                };
                let posted = link.post(&pool.kernel, Subject::Deregister(index, slot), &request);
                region.state = RegionState::Leaving { posted, refused };
                Some(posted)
            }
            _ => continue,
        };
        match posted {
            Some(true) => endpoint.in_flight += 1,
            Some(false) => done = false,
            None if region.awaited => pool.kernel.wake_callers(link.board()),
            None => {
                if let Some(region) = endpoint.regions.remove(slot) {
                    pool.linger(region.batch);
                }
            }
        }
    }
    done
}

/// Grants and posts the next piece of a region. `None` when the region was refused without a request, for want of
/// grants.
fn post_piece<K: Kernel>(
    pool: &Pool<K>,
    link: &mut Link<K>,
    index: u8,
    key: RegionKey,
    region: &mut Region<K>,
) -> Option<bool> {
    if !link.can_stage() {
        return Some(false);
    }
    let access = if region.extent.writable {
        Access::Write
    } else {
        Access::Read
    };
    let first = region.batch.refs().len();
    let pages = (region.batch.total() - first).min(STAGING_REFS);
    for _ in 0..pages {
        if let Err(error) = region.batch.grant_next(&pool.kernel, link.domain, access) {
            if first == 0 {
                region.state = RegionState::Refused(error);
                return None;
            }
            region.state = RegionState::Leaving {
                posted: false,
                refused: Some(error),
            };
            // The deferred look posts the Deregister.
            return Some(false);
        }
    }
    let request = Request::Register {
        endpoint: index,
        region: key,
        writable: region.extent.writable,
        offset: region.extent.offset,
        length: region.extent.length,
        first_page: first as u32,
        pages: pages as u32,
        staging: 0,
    };
    let refs = region.batch.refs().get(first..).unwrap_or_default();
    let subject = Subject::Register(index, key.slot);
    let posted = link.post_staged(&pool.kernel, subject, &request, refs);
    region.state = RegionState::Registering { posted };
    Some(posted)
}

/// What a status means to the process that asked; `None` when it went well.
fn refusal(status: Status) -> Option<Errno> {
    match status {
        Status::Ok => None,
        Status::Invalid => Some(Errno::INVALID),
        Status::Busy => Some(Errno::BUSY),
        Status::NotFound => Some(Errno::NO_DEVICE),
        Status::NoSpace => Some(Errno::AGAIN),
        Status::BadGrant => Some(Errno::FAULT),
        Status::Misbehaved | Status::HomeGone => Some(Errno::IO),
    }
}
