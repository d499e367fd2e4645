//! One board of the guest: its link to a backend, its endpoints and their regions.
//!
//! Nothing here blocks. A caller that has to wait for the backend gets `Poll::Pending` and asks again when the backend
//! has answered something. What a state still needs from the backend is posted as soon as there is room. Who takes
//! which lock is in [`crate::lock`].

mod answers;
mod changes;
mod opening;
mod posting;
mod raw;
mod regions;
mod slot;
mod takeover;

use alloc::vec::Vec;

use core::task::Poll;

use mx_ring::control::{DEVICE_PAGES, ENDPOINTS};

pub use answers::Fault;
pub use opening::Opening;

use crate::endpoint::{GrantedEndpoint, Process};
use crate::endpoint_id::EndpointId;
use crate::errno::Errno;
use crate::kernel::{Access, DomainId, GrantRef, Kernel};
use crate::link::{self, InterruptView, Link, Phase};
use crate::lock::{Lock, LockName};
use crate::page_set::PageSet;
use crate::shared::Shared;
use crate::target::Target;
use changes::Asked;
use raw::Raw;
use slot::Slot;

/// A board: its endpoints, and the link to its backend while there is one.
pub struct Board<K: Kernel> {
    number: usize,
    uplink: K::Lock<Uplink<K>>,
    endpoints: Vec<K::Lock<Slot<K>>>,
}

/// What the lock of the link covers.
struct Uplink<K: Kernel> {
    link: Option<Link<K>>,
    /// Links that the board has had.
    links: u32,
    /// Something waits for room in the control ring or the staging pages.
    deferred: bool,
    /// Where the next look for deferred work begins, so that no endpoint always comes last.
    turn: usize,
    raw: Raw,
    /// A change that waits for its answer, or the answer for who asked.
    asked: Option<Asked>,
}

impl<K: Kernel> Uplink<K> {
    /// The link of a board that a backend serves, or has served. `NO_DEVICE` when there is none.
    fn known(&mut self) -> Result<&mut Link<K>, Errno> {
        let link = self.link.as_mut().filter(|link| link.known);
        link.ok_or(Errno::NO_DEVICE)
    }

    /// The same, once its backend takes requests of any kind.
    fn serving(&mut self) -> Poll<Result<&mut Link<K>, Errno>> {
        match self.known() {
            Ok(link) if link.phase != Phase::Serving => Poll::Pending,
            link => Poll::Ready(link),
        }
    }
}

impl<K: Kernel> Board<K> {
    /// A board without a backend.
    pub fn new(kernel: &K, board: usize) -> Result<Self, Errno> {
        let mut endpoints = Vec::new();
        endpoints
            .try_reserve_exact(ENDPOINTS)
            .map_err(|_| Errno::NO_MEMORY)?;
        endpoints.extend((0..=u8::MAX).map(|index| {
            let name = LockName::Endpoint { board, index };
            kernel.lock(name, Slot::empty())
        }));
        let uplink = Uplink {
            link: None,
            links: 0,
            deferred: false,
            turn: 0,
            raw: Raw::new(),
            asked: None,
        };
        Ok(Self {
            number: board,
            uplink: kernel.lock(LockName::Link { board }, uplink),
            endpoints,
        })
    }

    /// A backend is there: grants it the device pages, and what an earlier one had, and returns the reference of D0. `BUSY`
    /// when there is one already, or while an earlier one maps pages: it is to be asked again then. Attaching, orphaning and
    /// detaching exclude each other.
    pub fn attach(&self, shared: &Shared<K>, domain: DomainId) -> Result<GrantRef, Errno> {
        let (phase, target) = self.uplink.with(|uplink| {
            uplink.links = uplink.links.wrapping_add(1).max(1);
            let number = uplink.links;
            let phase = uplink.link.as_ref().map(|link| link.phase);
            (phase, Target { domain, number })
        });
        match phase {
            None => self.attach_first(shared, target),
            Some(Phase::Orphaned) => self.attach_successor(shared, target),
            Some(Phase::Offered | Phase::Adopting | Phase::Serving) => Err(Errno::BUSY),
        }
    }

    fn attach_first(&self, shared: &Shared<K>, target: Target) -> Result<GrantRef, Errno> {
        let pages = shared.admit(Link::allocate(&shared.kernel)?, None)?;
        let pages = grant_all(shared, pages, target, DEVICE_PAGES, link::access)?;
        let ring_ref = pages.refs().first().copied();
        let linked = self.uplink.with(|uplink| {
            Link::new(&shared.kernel, self.number, target, pages)
                .map(|link| uplink.link = Some(link))
        });
        if let Err((pages, _)) = linked {
            shared.give_back(pages);
            return Err(Errno::INVALID);
        }
        ring_ref.ok_or(Errno::INVALID)
    }

    /// Grants the first `count` pages of an admitted set to the backend; when it is gone, its successor gets them. After an
    /// error they have been given back. Without a lock, since there may be many.
    pub fn grant(
        &self,
        shared: &Shared<K>,
        page_set: PageSet<K>,
        count: usize,
        access: impl Fn(usize) -> Access,
    ) -> Result<PageSet<K>, Errno> {
        match self.linked(Link::present) {
            Ok(Some(target)) => grant_all(shared, page_set, target, count, access),
            Ok(None) => Ok(page_set),
            Err(error) => {
                shared.give_back(page_set);
                Err(error)
            }
        }
    }

    /// The backend is gone, or is to go, and no other is to take over. All endpoints end; their pages are kept until it has
    /// unmapped them.
    pub fn detach(&self, shared: &Shared<K>) {
        // First the link, so that no endpoint is opened behind the back of this loop; its pages are kept until the last
        // endpoint, which may ring its bell, is out.
        let link = self.uplink.with(|uplink| {
            uplink.deferred = false;
            uplink.raw = Raw::new();
            uplink.asked = None;
            uplink.link.take()
        });
        for index in 0..=u8::MAX {
            self.slot(index, |slot| {
                slot.any()
                    .inspect(|endpoint| endpoint.backend_gone(&shared.kernel));
                remove(shared, slot);
            });
            shared.kernel.wake_sleepers(self.number, index);
        }
        if let Some(link) = link {
            shared.defer_unmap(link.pages);
        }
        shared.kernel.wake_callers(self.number);
    }

    /// What the interrupt handler needs of the link.
    pub fn interrupt_view(&self) -> Option<InterruptView> {
        self.uplink
            .with(|uplink| uplink.link.as_ref().map(Link::interrupt_view))
    }

    /// Looks at the link of a board that a backend serves, or has served and left to a successor. `NO_DEVICE` when there is
    /// no such board.
    pub fn linked<R>(&self, look: impl FnOnce(&Link<K>) -> R) -> Result<R, Errno> {
        self.uplink
            .with(|uplink| uplink.known().map(|link| look(link)))
    }

    /// Whether there is such a board.
    pub fn exists(&self) -> Result<(), Errno> {
        self.linked(|_| ())
    }

    /// Whether there is something to look at: of a board whose backend is gone, while somebody uses it. `NO_DEVICE` otherwise;
    /// who opens an endpoint there waits for the next backend all the same.
    pub fn shows(&self) -> Result<(), Errno> {
        self.exists()?;
        match self.is_orphaned() && !self.is_used() {
            true => Err(Errno::NO_DEVICE),
            false => Ok(()),
        }
    }

    fn is_used(&self) -> bool {
        self.uplink.with(|uplink| uplink.raw.is_open())
            || (0..=u8::MAX).any(|index| self.at(index, |_| ()).is_some())
    }

    /// Who has the endpoint at an index open, and its queue entries: from when a backend has opened it, so that whoever sees
    /// it listed can connect to it, until it is closed.
    pub fn opener(&self, index: u8) -> Option<(Process, u32)> {
        let opener = self.at(index, |endpoint| {
            let entries = endpoint.layout.geometry().commands;
            endpoint
                .is_open()
                .then_some((endpoint.opener.process, entries))
        });
        opener.flatten()
    }

    /// Looks at the endpoint at an index, whoever uses it.
    pub fn at<R>(&self, index: u8, look: impl FnOnce(&mut GrantedEndpoint<K>) -> R) -> Option<R> {
        self.slot(index, |slot| slot.any().map(look)).flatten()
    }

    /// Works on an endpoint that its opener may use.
    pub fn usable<R>(
        &self,
        id: EndpointId,
        space: K::Space,
        work: impl FnOnce(&mut GrantedEndpoint<K>) -> R,
    ) -> Result<R, Errno> {
        self.find(id, |endpoint| {
            endpoint.check_use(space)?;
            Ok(work(endpoint))
        })?
    }

    /// Works on an endpoint. `NO_DEVICE` when it has ended.
    fn find<R>(
        &self,
        id: EndpointId,
        work: impl FnOnce(&mut GrantedEndpoint<K>) -> R,
    ) -> Result<R, Errno> {
        let worked = self.slot(id.index, |slot| slot.find(id).map(work));
        worked.flatten().ok_or(Errno::NO_DEVICE)
    }

    fn slot<R>(&self, index: u8, work: impl FnOnce(&mut Slot<K>) -> R) -> Option<R> {
        let slot = self.endpoints.get(usize::from(index))?;
        Some(slot.with(work))
    }
}

/// Grants pages of an admitted set; after an error they have been given back. Without a lock, since there may be many.
fn grant_all<K: Kernel>(
    shared: &Shared<K>,
    mut page_set: PageSet<K>,
    target: Target,
    count: usize,
    access: impl Fn(usize) -> Access,
) -> Result<PageSet<K>, Errno> {
    let mut budget = usize::MAX;
    match page_set.grant(&shared.kernel, target, count, access, &mut budget) {
        Ok(()) => Ok(page_set),
        Err(error) => {
            shared.give_back(page_set);
            Err(error)
        }
    }
}

/// Ends an endpoint without asking anybody; its pages are kept until they are unmapped.
fn remove<K: Kernel>(shared: &Shared<K>, slot: &mut Slot<K>) {
    let Some(mut endpoint) = slot.take() else {
        return;
    };
    for region in 0..endpoint.regions.slots() {
        if let Some(region) = endpoint.regions.remove(region) {
            shared.defer_unmap(region.page_set);
        }
    }
    shared.release_endpoint(endpoint.opener.user);
    shared.defer_unmap(endpoint.queues);
}
