//! Registering memory of a process, and giving it back.

use core::task::Poll;

use mx_ring::RegionKey;
use mx_ring::registration::RESERVES;

use super::Board;
use super::takeover::bury;
use crate::endpoint_id::EndpointId;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::page_set::PageSet;
use crate::region::{Extent, Region, RegionState};
use crate::shared::Shared;

impl<K: Kernel> Board<K> {
    /// Begins to register pages that are pinned and granted ([`Self::grant`]), and takes them unless it fails.
    /// It is over when [`Self::registered`] says so. Of buffers of last resort there may be few.
    pub fn register(
        &self,
        shared: &Shared<K>,
        id: EndpointId,
        space: K::Space,
        extent: Extent,
        pages: &mut Option<PageSet<K>>,
    ) -> Result<RegionKey, Errno> {
        let begun = self.slot(id.index, |slot| {
            let endpoint = slot.find(id).ok_or(Errno::NO_DEVICE)?;
            endpoint.check_use(space)?;
            let key = endpoint.regions.vacancy()?;
            if extent.reserve && endpoint.regions.reserves() >= RESERVES {
                return Err(Errno::AGAIN);
            }
            let page_set = pages.take().ok_or(Errno::INVALID)?;
            page_set.name(key);
            endpoint.regions.insert(
                key,
                Region {
                    page_set,
                    extent,
                    told: 0,
                    state: RegionState::Registering { posted: false },
                    awaited: true,
                },
            );
            Ok(key)
        });
        let begun = begun.unwrap_or(Err(Errno::NO_DEVICE));
        if begun.is_ok() {
            self.catch_up_endpoint(shared, id.index);
        }
        begun
    }

    /// How a registration ended. After an error there is no such region any more.
    pub fn registered(
        &self,
        shared: &Shared<K>,
        id: EndpointId,
        key: RegionKey,
    ) -> Poll<Result<(), Errno>> {
        let registered = self.find(id, |endpoint| {
            let Some(region) = endpoint.regions.get(key) else {
                return Poll::Ready(Err(Errno::INVALID));
            };
            match region.state {
                RegionState::Ready => {
                    region.awaited = false;
                    region.page_set.settle();
                    Poll::Ready(Ok(()))
                }
                RegionState::Refused(error) => {
                    if let Some(region) = endpoint.regions.remove(key.slot) {
                        shared.defer_unmap(region.page_set);
                    }
                    Poll::Ready(Err(error))
                }
                RegionState::Registering { .. }
                | RegionState::Adopting { .. }
                | RegionState::Leaving { .. } => Poll::Pending,
                RegionState::Left => Poll::Ready(Err(Errno::INVALID)),
            }
        });
        registered.unwrap_or_else(|error| Poll::Ready(Err(error)))
    }

    /// Begins to give a region back. It is over when [`Self::deregistered`] says so.
    pub fn deregister(
        &self,
        shared: &Shared<K>,
        id: EndpointId,
        space: K::Space,
        key: RegionKey,
    ) -> Result<(), Errno> {
        let begun = self.slot(id.index, |slot| {
            let endpoint = slot.find(id).ok_or(Errno::NO_DEVICE)?;
            endpoint.check_use(space)?;
            let region = endpoint.regions.get(key).ok_or(Errno::INVALID)?;
            match region.state {
                RegionState::Ready => region.leave(),
                RegionState::Adopting { wanted: true, .. } => region.leave(),
                // Stale, and on its way already: the caller waits for its end.
                RegionState::Leaving { refused: None, .. }
                | RegionState::Adopting { wanted: false, .. }
                    if !region.awaited => {}
                _ => return Err(Errno::INVALID),
            }
            region.awaited = true;
            self.advance(shared, id.index, slot);
            Ok(())
        });
        self.finish_adoption(shared);
        begun.unwrap_or(Err(Errno::NO_DEVICE))
    }

    /// Begins to give back the regions of an endpoint whose memory its process has changed, if no message uses them. The
    /// others are the library's to give back, after the use.
    pub fn sweep(&self, shared: &Shared<K>, index: u8) {
        self.slot(index, |slot| {
            let Some(endpoint) = slot.any() else {
                return;
            };
            let Some(uses) = endpoint.uses(&shared.kernel) else {
                return;
            };
            for at in 0..endpoint.regions.slots() {
                if let Some((_, region)) = endpoint.regions.in_slot(at)
                    && region.is_kept()
                    && !region.awaited
                    && region.page_set.changed()
                    && !uses.in_use(at)
                {
                    region.leave();
                }
            }
            bury(shared, endpoint);
            self.advance(shared, index, slot);
        });
        self.finish_adoption(shared);
    }

    /// Whether a region has been given back; its pages, which the caller now gives back. `None` when they have gone
    /// another way, with their endpoint.
    pub fn deregistered(&self, id: EndpointId, key: RegionKey) -> Poll<Option<PageSet<K>>> {
        let left = self.find(id, |endpoint| {
            match endpoint.regions.get(key).map(|region| region.state) {
                Some(RegionState::Left) => Poll::Ready(
                    endpoint
                        .regions
                        .remove(key.slot)
                        .map(|region| region.page_set),
                ),
                Some(_) => Poll::Pending,
                None => Poll::Ready(None),
            }
        });
        left.unwrap_or(Poll::Ready(None))
    }

    /// The caller that waited for [`Self::registered`] or [`Self::deregistered`] was killed.
    pub fn abandon(&self, shared: &Shared<K>, id: EndpointId, key: RegionKey) {
        self.slot(id.index, |slot| {
            let Some(endpoint) = slot.find(id) else {
                return;
            };
            let Some(region) = endpoint.regions.get(key) else {
                return;
            };
            region.awaited = false;
            if region.is_kept() {
                region.leave();
            }
            bury(shared, endpoint);
            self.advance(shared, id.index, slot);
        });
        self.finish_adoption(shared);
    }
}
