//! Pages that are given back, some in each turn, and what the backend has ended.

use alloc::vec::Vec;

use mx_backend::{Completion, EndpointKey, Misbehaviour};
use mx_ring::RegionKey;
use mx_ring::control::{ControlResponse, Status};

use super::counted::Counted;
use super::{Device, answer};
use crate::memory::{GuestPages, PageMapper};

pub(super) struct Waste<P> {
    pub(super) pages: Option<P>,
    pub(super) then: Option<ControlResponse>,
}

impl<M: PageMapper> Device<M> {
    pub(super) fn discard(
        &mut self,
        pages: impl IntoIterator<Item = Counted<M::Pages>>,
        then: Option<ControlResponse>,
    ) {
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
    pub(super) fn forget(&mut self, endpoint: u8, slot: u16, then: Option<ControlResponse>) {
        let region = self
            .endpoints
            .get_mut(&endpoint)
            .and_then(|open| open.regions.remove(&slot));
        self.discard(region.map(|region| region.pages), then);
    }

    pub(super) fn unmap(&mut self, budget: &mut usize) {
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

    /// What the backend has completed for this device.
    pub fn completed(&mut self, completion: Completion) {
        match completion {
            Completion::EndpointClosed(key) => self.endpoint_closed(key.endpoint),
            Completion::RegionReleased(key, region) => self.region_released(key.endpoint, region),
            Completion::BoardRemoved(_) => self.removed = true,
            Completion::Misbehaved(key, misbehaviour) => self.misbehaved(key, misbehaviour),
        }
    }

    pub(super) fn endpoint_closed(&mut self, endpoint: u8) {
        let Some(open) = self.endpoints.get_mut(&endpoint) else {
            return;
        };
        let closing = open.closing.take();
        let mut pages: Vec<Counted<M::Pages>> = open.queues.take().into_iter().flatten().collect();
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

    pub(super) fn region_released(&mut self, endpoint: u8, key: RegionKey) {
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

    pub(super) fn misbehaved(&mut self, key: EndpointKey, misbehaviour: Misbehaviour) {
        self.say(format_args!(
            "endpoint {}: closed, its process misbehaved: {misbehaviour}",
            key.endpoint
        ));
        self.responses.push_back(ControlResponse {
            id: 0,
            status: Status::Misbehaved,
            endpoint: key.endpoint,
        });
    }
}
