//! Requests that map pages: some pages in each turn.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use mx_backend::{Backend, EndpointError, Instant};
use mx_ring::control::Status;
use mx_ring::{BackendSide, EndpointLayout, PAGE_SIZE};

use super::endpoint::MappedEndpoint;
use super::{Device, answer};
use crate::memory::{GuestPages, PageMapper};

/// A request that takes several turns.
pub(super) enum Job<P> {
    Open {
        id: u32,
        endpoint: u8,
        session: u32,
        layout: EndpointLayout,
        /// Whether another backend has served it.
        adopt: bool,
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

impl<M: PageMapper> Device<M> {
    /// Maps some more pages of the request under way.
    pub(super) fn go_on(&mut self, now: Instant, backend: &mut Backend, budget: &mut usize) {
        match self.job.take() {
            None => {}
            Some(Job::Open {
                id,
                endpoint,
                session,
                layout,
                adopt,
                mut queues,
            }) => {
                let sizes = [layout.w_size() / PAGE_SIZE, layout.r_size() / PAGE_SIZE];
                let before = queues.each_ref().map(GuestPages::mapped);
                let part = usize::from(before[0] == sizes[0]);
                let count = (sizes[part] - before[part]).min(*budget);
                let references = self.staged(before[0] + before[1], count);
                *budget -= count;
                if let Err(why) = queues[part].map(&references) {
                    self.say(format_args!("endpoint {endpoint}: {why}"));
                    return self.discard(queues, Some(answer(id, Status::BadGrant)));
                }
                if part == 0 || before[1] + count < sizes[1] {
                    self.job = Some(Job::Open {
                        id,
                        endpoint,
                        session,
                        layout,
                        adopt,
                        queues,
                    });
                    return;
                }
                let [w, r] = queues.each_ref().map(GuestPages::slice);
                let side = match adopt {
                    true => BackendSide::adopt(layout, w, r),
                    false => BackendSide::new(layout, w, r),
                };
                let opened = side.map_err(|_| Status::Invalid).and_then(|side| {
                    let key = self.key(endpoint);
                    let opened = match adopt {
                        true => backend.adopt_endpoint(now, key, session, side),
                        false => backend.open_endpoint(now, key, session, side),
                    };
                    opened.map_err(|error| match error {
                        EndpointError::BadIndex => Status::Invalid,
                        EndpointError::Busy => Status::Busy,
                        EndpointError::NoBoard | EndpointError::NotOpen => Status::NotFound,
                    })
                });
                match opened {
                    Ok(()) => {
                        self.endpoints.insert(
                            endpoint,
                            MappedEndpoint {
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
                // The endpoint may have been closed by the backend in the meantime: its regions are gone then.
                let Some(region) = open.and_then(|open| open.regions.get_mut(&slot)) else {
                    return self.respond(id, Status::NotFound);
                };
                if let Err(why) = region.pages.map(&references) {
                    self.say(format_args!("endpoint {endpoint}, region: {why}"));
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
                match region.finish(key, backend) {
                    Ok(()) => self.respond(id, Status::Ok),
                    Err(status) => self.forget(endpoint, slot, Some(answer(id, status))),
                }
            }
        }
    }

    /// Grant references from the staging pages, copied.
    pub(super) fn staged(&self, first: usize, count: usize) -> Vec<u32> {
        (first..first + count)
            .map(|entry| self.staging.get(entry).unwrap_or(0))
            .collect()
    }
}
