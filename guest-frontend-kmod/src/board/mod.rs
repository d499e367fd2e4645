//! One board of the guest: its link to a home, its endpoints and their regions.
//!
//! Nothing here blocks. A caller that has to wait for the home gets `Poll::Pending` and asks again when the home has
//! answered something. What a state still needs from the home is posted as soon as there is room.

mod answers;
mod posting;
mod regions;

use alloc::vec::Vec;
use core::task::Poll;

use mx_ring::control::ENDPOINTS;

pub use answers::Fault;

use crate::batch::Batch;
use crate::endpoint::{Endpoint, Opener, State};
use crate::errno::Errno;
use crate::kernel::{Access, DomainId, GrantRef, Kernel};
use crate::link::Link;
use crate::pool::Pool;
use crate::quota::Limits;
use crate::region::Regions;

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

    /// Begins to open an endpoint over these pages (W, then R, then the notes), which it takes unless it fails or is to be asked again
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
        let shared_pages = w_pages + opening.layout.r_size() / mx_ring::PAGE_SIZE;
        for page in 0..shared_pages {
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
}
