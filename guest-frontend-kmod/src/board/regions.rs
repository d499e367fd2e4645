//! Registering memory of a process, and giving it back.

use core::task::Poll;

use mx_ring::RegionKey;

use super::{Board, EndpointId};
use crate::batch::Batch;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::pool::Pool;
use crate::quota::Limits;
use crate::region::{Extent, Region, State};

impl<K: Kernel> Board<K> {
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
        batch.name(key);
        endpoint.regions.insert(
            key,
            Region {
                batch,
                extent,
                state: State::Registering { posted: false },
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
            State::Ready => {
                region.awaited = false;
                region.batch.settle();
                Poll::Ready(Ok(()))
            }
            State::Refused(error) => {
                if let Some(region) = endpoint.regions.remove(key.slot) {
                    pool.linger(region.batch);
                }
                Poll::Ready(Err(error))
            }
            State::Registering { .. } | State::Leaving { .. } => Poll::Pending,
            State::Left => Poll::Ready(Err(Errno::INVALID)),
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
        match region.state {
            State::Ready => {
                region.state = State::Leaving {
                    posted: false,
                    refused: None,
                };
            }
            // Stale, and on its way already: the caller waits for its end.
            State::Leaving { refused: None, .. } if !region.awaited => {}
            _ => return Err(Errno::INVALID),
        }
        region.awaited = true;
        self.advance(pool, id.index);
        Ok(())
    }

    /// Begins to give back the regions of an endpoint whose memory its process has changed, if no message uses them. The
    /// others are the library's to give back, after the use.
    pub fn sweep(&mut self, pool: &mut Pool<K>, index: u8) {
        let Some(Some(endpoint)) = self.endpoints.get_mut(usize::from(index)) else {
            return;
        };
        let Some(uses) = endpoint.uses(&pool.kernel) else {
            return;
        };
        for slot in 0..endpoint.regions.slots() {
            if let Some((_, region)) = endpoint.regions.in_slot(slot)
                && region.state == State::Ready
                && !region.awaited
                && region.batch.changed()
                && !uses.in_use(slot)
            {
                region.state = State::Leaving {
                    posted: false,
                    refused: None,
                };
            }
        }
        self.advance(pool, index);
    }

    /// Whether a region has been given back; its pages, which the caller now gives back. `None` when they have gone
    /// another way, with their endpoint.
    pub fn deregistered(&mut self, id: EndpointId, key: RegionKey) -> Poll<Option<Batch<K>>> {
        let Some(endpoint) = self.find(id) else {
            return Poll::Ready(None);
        };
        match endpoint.regions.get(key).map(|region| region.state) {
            Some(State::Left) => {
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
            State::Ready => {
                region.state = State::Leaving {
                    posted: false,
                    refused: None,
                };
                self.advance(pool, id.index);
            }
            State::Refused(_) | State::Left => {
                if let Some(region) = endpoint.regions.remove(key.slot) {
                    pool.linger(region.batch);
                }
            }
            State::Registering { .. } | State::Leaving { .. } => {}
        }
    }
}
