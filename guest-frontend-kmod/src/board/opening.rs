//! Opening and closing endpoints.

use core::task::Poll;

use mx_ring::{EndpointLayout, PAGE_SIZE};

use super::slot::Slot;
use super::{Board, remove};
use crate::endpoint::{EndpointState, GrantedEndpoint, Opener};
use crate::endpoint_id::EndpointId;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::link::{Bell, Link};
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

impl<K: Kernel> Board<K> {
    /// Admits and grants the pages of an endpoint's queues, as [`Self::grant`] does: W, then R, then the notes, which are not
    /// granted. After an error they have been given back.
    pub fn grant_queues(
        &self,
        shared: &Shared<K>,
        opening: &Opening<K::Space>,
        pages: PageSet<K>,
    ) -> Result<PageSet<K>, Errno> {
        let w = opening.layout.w_size() / PAGE_SIZE;
        let shared_pages = w + opening.layout.r_size() / PAGE_SIZE;
        let pages = shared.admit(pages, opening.limits)?;
        let access = |page| GrantedEndpoint::<K>::queue_access(page, w);
        self.grant(shared, pages, shared_pages, access)
    }

    /// Begins to open an endpoint over these queues, which it takes unless it fails or is to be asked again
    /// (`Pending`: the index is still being closed). The opening is over when [`Self::opened`] says so.
    pub fn open(
        &self,
        shared: &Shared<K>,
        opening: &Opening<K::Space>,
        queues: &mut Option<PageSet<K>>,
    ) -> Poll<Result<EndpointId, Errno>> {
        let mut take = |index| {
            let opened = self.slot(index, |slot| {
                self.take(shared, opening, index, slot, queues)
            });
            opened.unwrap_or(Poll::Ready(Err(Errno::INVALID)))
        };
        let taken = match opening.endpoint {
            Some(index) => take(index),
            None => (0..=u8::MAX)
                .map(take)
                .find(|taken| !is_taken(taken))
                .unwrap_or(Poll::Ready(Err(Errno::NO_SPACE))),
        };
        if let Poll::Ready(Ok(id)) = taken {
            self.catch_up_endpoint(shared, id.index);
        }
        taken
    }

    /// Takes a place, if nobody has it.
    fn take(
        &self,
        shared: &Shared<K>,
        opening: &Opening<K::Space>,
        index: u8,
        slot: &mut Slot<K>,
        queues: &mut Option<PageSet<K>>,
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
        Poll::Ready(installed.map(|()| id))
    }

    fn install(
        &self,
        shared: &Shared<K>,
        opening: &Opening<K::Space>,
        slot: &mut Slot<K>,
        queues: &mut Option<PageSet<K>>,
    ) -> Result<(), Errno> {
        let bell: Bell<K> = self.linked(Link::bell)??;
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
            queues,
            state: EndpointState::Opening { posted: false },
            abandoned: false,
            told: false,
            closed_by_backend: false,
            in_flight: 0,
            regions: Regions::new(),
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
                EndpointState::Open
                | EndpointState::Adopting { .. }
                | EndpointState::Lost
                | EndpointState::Closing { .. } => Poll::Ready(Ok(endpoint.session)),
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
                EndpointState::Opening { posted: false }
                | EndpointState::Adopting { posted: false }
                | EndpointState::Lost
                | EndpointState::Refused(_) => remove(shared, slot),
                EndpointState::Opening { posted: true }
                | EndpointState::Adopting { posted: true } => endpoint.abandoned = true,
                EndpointState::Open => {
                    endpoint.state = EndpointState::Closing { posted: false };
                    self.advance(shared, id.index, slot);
                }
                EndpointState::Closing { .. } => {}
            }
        });
        // A successor may have waited for this one alone.
        self.finish_adoption(shared);
    }
}

/// Whether somebody else has the place.
fn is_taken(opened: &Poll<Result<EndpointId, Errno>>) -> bool {
    matches!(opened, Poll::Pending | Poll::Ready(Err(Errno::BUSY)))
}
