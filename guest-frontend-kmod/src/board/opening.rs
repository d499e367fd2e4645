//! Opening and closing endpoints.

use core::task::Poll;

use mx_ring::{EndpointLayout, PAGE_SIZE};

use super::slot::Slot;
use super::{Board, remove};
use crate::endpoint::{EndpointState, GrantedEndpoint, Opener};
use crate::endpoint_id::EndpointId;
use crate::errno::Errno;
use crate::kernel::{Access, Kernel};
use crate::link::{Bell, Target};
use crate::lock::Lock;
use crate::page_set::PageSet;
use crate::quota::Limits;
use crate::region::Regions;
use crate::shared::Shared;

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
    pub layout: EndpointLayout,
    /// Session, random.
    pub session: u32,
    /// A number that no other endpoint has.
    pub incarnation: u32,
}

/// Queues that are granted to a backend, for an endpoint that is not open yet.
pub struct Queues<K: Kernel> {
    page_set: PageSet<K>,
    target: Target,
}

impl<K: Kernel> Queues<K> {
    /// No endpoint took them.
    pub fn give_back(self, shared: &Shared<K>) {
        shared.give_back(self.page_set);
    }
}

impl<K: Kernel> Board<K> {
    /// Grants the backend the pages of an endpoint's queues: W, then R, then the notes, which are not granted. After an
    /// error they have been given back.
    pub fn grant_queues(
        &self,
        shared: &Shared<K>,
        opening: &Opening<K::Space>,
        mut pages: PageSet<K>,
    ) -> Result<Queues<K>, Errno> {
        let target = match self.target() {
            Ok(target) => target,
            Err(error) => {
                pages.give_back(&shared.kernel);
                return Err(error);
            }
        };
        let w = opening.layout.w_size() / PAGE_SIZE;
        let shared_pages = w + opening.layout.r_size() / PAGE_SIZE;
        let access = |page| {
            if page < w {
                Access::Read
            } else {
                Access::Write
            }
        };
        let page_set = shared.grant(pages, opening.limits, target.domain, shared_pages, access)?;
        Ok(Queues { page_set, target })
    }

    /// Begins to open an endpoint over these queues, which it takes unless it fails or is to be asked again
    /// (`Pending`: the index is still being closed). The opening is over when [`Self::opened`] says so.
    pub fn open(
        &self,
        shared: &Shared<K>,
        opening: &Opening<K::Space>,
        queues: &mut Option<Queues<K>>,
    ) -> Poll<Result<EndpointId, Errno>> {
        let mut take = |index| {
            let opened = self.slot(index, |slot| {
                self.take(shared, opening, index, slot, queues)
            });
            opened.unwrap_or(Poll::Ready(Err(Errno::INVALID)))
        };
        match opening.endpoint {
            Some(index) => take(index),
            None => (0..=u8::MAX)
                .map(take)
                .find(|taken| !is_taken(taken))
                .unwrap_or(Poll::Ready(Err(Errno::NO_SPACE))),
        }
    }

    /// Takes a place, if nobody has it.
    fn take(
        &self,
        shared: &Shared<K>,
        opening: &Opening<K::Space>,
        index: u8,
        slot: &mut Slot<K>,
        queues: &mut Option<Queues<K>>,
    ) -> Poll<Result<EndpointId, Errno>> {
        match slot.any().map(|endpoint| endpoint.state) {
            None => {}
            Some(EndpointState::Closing { .. }) => return Poll::Pending,
            Some(_) => return Poll::Ready(Err(Errno::BUSY)),
        }
        let id = EndpointId {
            index,
            incarnation: opening.incarnation,
        };
        let installed = self.install(shared, opening, slot, queues);
        if installed.is_ok() {
            self.advance(shared, index, slot);
        }
        Poll::Ready(installed.map(|()| id))
    }

    fn install(
        &self,
        shared: &Shared<K>,
        opening: &Opening<K::Space>,
        slot: &mut Slot<K>,
        queues: &mut Option<Queues<K>>,
    ) -> Result<(), Errno> {
        let granted = queues.as_ref().ok_or(Errno::INVALID)?;
        // The backend that the queues are granted to, not its successor.
        let bell: Bell<K> = self
            .uplink
            .with(|uplink| {
                let link = uplink.link.as_ref().filter(|link| link.connected);
                link.filter(|link| link.target == granted.target)
                    .map(|link| link.bell())
            })
            .ok_or(Errno::NO_DEVICE)??;
        slot.reserve()?;
        let user = opening.opener.user;
        shared.charge_endpoint(user, opening.limits)?;
        let Some(queues) = queues.take() else {
            return Err(Errno::INVALID);
        };
        slot.put(GrantedEndpoint {
            incarnation: opening.incarnation,
            opener: opening.opener,
            session: opening.session,
            layout: opening.layout,
            queues: queues.page_set,
            state: EndpointState::Opening { posted: false },
            abandoned: false,
            closed_by_backend: false,
            in_flight: 0,
            regions: Regions::new(),
            domain: queues.target.domain,
            bell,
        });
        Ok(())
    }

    /// How the opening of an endpoint ended. After an error there is no such endpoint any more.
    pub fn opened(&self, shared: &Shared<K>, id: EndpointId) -> Poll<Result<u32, Errno>> {
        let opened = self.slot(id.index, |slot| {
            let Some(endpoint) = slot.find(id) else {
                return Poll::Ready(Err(Errno::NO_DEVICE));
            };
            match endpoint.state {
                EndpointState::Opening { .. } => Poll::Pending,
                EndpointState::Refused(error) => {
                    remove(shared, slot);
                    Poll::Ready(Err(error))
                }
                EndpointState::Open | EndpointState::Closing { .. } => {
                    Poll::Ready(Ok(endpoint.session))
                }
            }
        });
        opened.unwrap_or(Poll::Ready(Err(Errno::NO_DEVICE)))
    }

    /// Ends an endpoint, in whatever state; nobody waits for an answer about it any more.
    pub fn close(&self, shared: &Shared<K>, id: EndpointId) {
        self.slot(id.index, |slot| {
            let Some(endpoint) = slot.find(id) else {
                return;
            };
            match endpoint.state {
                EndpointState::Opening { posted: false } | EndpointState::Refused(_) => {
                    remove(shared, slot)
                }
                EndpointState::Opening { posted: true } => endpoint.abandoned = true,
                EndpointState::Open => {
                    endpoint.state = EndpointState::Closing { posted: false };
                    self.advance(shared, id.index, slot);
                }
                EndpointState::Closing { .. } => {}
            }
        });
    }
}

/// Whether somebody else has the place.
fn is_taken(opened: &Poll<Result<EndpointId, Errno>>) -> bool {
    matches!(opened, Poll::Pending | Poll::Ready(Err(Errno::BUSY)))
}
