//! What endpoints and regions still need from the home, posted as soon as there is room.

use mx_ring::RegionKey;
use mx_ring::control::{ENDPOINTS, Request, STAGING_REFS};

use super::Board;
use crate::endpoint::{Endpoint, State};
use crate::in_flight::Subject;
use crate::kernel::{Access, Kernel};
use crate::link::Link;
use crate::pool::Pool;
use crate::region::{Region, State as RegionState};

impl<K: Kernel> Board<K> {
    pub(super) fn advance_deferred(&mut self, pool: &mut Pool<K>) {
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
    pub(super) fn advance(&mut self, pool: &mut Pool<K>, index: u8) {
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
