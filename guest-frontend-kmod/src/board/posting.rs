//! What endpoints and regions still need from the backend, posted as soon as there is room.

use mx_ring::RegionKey;
use mx_ring::control::{ControlRequest, ENDPOINTS, STAGING_REFS};

use super::Board;
use super::slot::Slot;
use crate::endpoint::{EndpointState, GrantedEndpoint};
use crate::endpoint_id::EndpointId;
use crate::in_flight::Subject;
use crate::kernel::Kernel;
use crate::link::{Link, Phase};
use crate::lock::Lock;
use crate::region::{Region, RegionState};
use crate::shared::Shared;

impl<K: Kernel> Board<K> {
    /// Looks at everybody again who found no room. Without a lock.
    pub(super) fn advance_deferred(&self, shared: &Shared<K>) {
        let turn = self.uplink.with(|uplink| {
            uplink.turn = (uplink.turn + 1) % ENDPOINTS;
            core::mem::take(&mut uplink.deferred).then_some(uplink.turn)
        });
        let Some(turn) = turn else {
            return;
        };
        for step in 0..ENDPOINTS {
            let index = ((turn + step) % ENDPOINTS) as u8;
            self.slot(index, |slot| self.advance(shared, index, slot));
        }
        self.uplink
            .with(|uplink| uplink.advance_raw(&shared.kernel));
    }

    /// Posts what the state of an endpoint and its regions needs from the backend, as far as there is room. Its slot is
    /// locked.
    pub(super) fn advance(&self, shared: &Shared<K>, index: u8, slot: &mut Slot<K>) {
        let Some(endpoint) = slot.any() else {
            return;
        };
        let id = EndpointId {
            index,
            incarnation: endpoint.incarnation,
        };
        self.uplink.with(|uplink| {
            let posts =
                |link: &&mut Link<K>| matches!(link.phase, Phase::Adopting | Phase::Serving);
            let Some(link) = uplink.link.as_mut().filter(posts) else {
                return;
            };
            // A successor gets what another one had before all else.
            let adopting = link.phase == Phase::Adopting;
            let done = match endpoint.state {
                EndpointState::Opening { posted: false } if adopting && !endpoint.told => false,
                EndpointState::Opening { posted: false }
                | EndpointState::Adopting { posted: false } => {
                    post_open(shared, link, id, endpoint)
                }
                EndpointState::Closing { posted: false } if adopting => false,
                EndpointState::Closing { posted: false } if endpoint.in_flight == 0 => {
                    let request = ControlRequest::CloseEndpoint { endpoint: index };
                    let posted = link.post(&shared.kernel, Subject::Close(id), &request);
                    endpoint.state = EndpointState::Closing { posted };
                    posted
                }
                EndpointState::Open => advance_regions(shared, link, id, endpoint),
                _ => true,
            };
            uplink.deferred |= !done;
        });
    }
}

fn post_open<K: Kernel>(
    shared: &Shared<K>,
    link: &mut Link<K>,
    id: EndpointId,
    endpoint: &mut GrantedEndpoint<K>,
) -> bool {
    if !(endpoint.queues).is_granted(link.target.number, endpoint.shared_pages()) {
        // Who grants them comes here again.
        return true;
    }
    let request = ControlRequest::OpenEndpoint {
        endpoint: id.index,
        session: endpoint.session,
        geometry: endpoint.layout.geometry(),
        adopt: endpoint.told,
    };
    let subject = Subject::Open(id);
    let posted = link.post_staged(&shared.kernel, subject, &request, endpoint.queues.refs());
    if posted {
        endpoint.state = match endpoint.state {
            EndpointState::Adopting { .. } => EndpointState::Adopting { posted },
            _ => EndpointState::Opening { posted },
        };
        endpoint.told = true;
        endpoint.in_flight += 1;
    }
    posted
}

fn advance_regions<K: Kernel>(
    shared: &Shared<K>,
    link: &mut Link<K>,
    id: EndpointId,
    endpoint: &mut GrantedEndpoint<K>,
) -> bool {
    let mut done = true;
    for slot in 0..endpoint.regions.slots() {
        let Some((key, region)) = endpoint.regions.in_slot(slot) else {
            continue;
        };
        let granted = |region: &Region<K>| {
            let page_set = &region.page_set;
            page_set.is_granted(link.target.number, page_set.total())
        };
        let posted = match region.state {
            RegionState::Adopting { posted: false, .. } if granted(region) => {
                post_piece(shared, link, id, key, region)
            }
            RegionState::Adopting { .. } => continue,
            // A successor gets what another one had before all else.
            RegionState::Registering { posted: false }
            | RegionState::Leaving { posted: false, .. }
                if link.phase == Phase::Adopting =>
            {
                done = false;
                continue;
            }
            RegionState::Registering { posted: false } if granted(region) => {
                post_piece(shared, link, id, key, region)
            }
            RegionState::Leaving {
                posted: false,
                refused,
            } => {
                let request = ControlRequest::Deregister {
                    endpoint: id.index,
                    region: key,
                };
                let posted = link.post(&shared.kernel, Subject::Deregister(id, slot), &request);
                region.state = RegionState::Leaving { posted, refused };
                posted
            }
            _ => continue,
        };
        match posted {
            true => endpoint.in_flight += 1,
            false => done = false,
        }
    }
    done
}

/// Posts the next piece of a region.
fn post_piece<K: Kernel>(
    shared: &Shared<K>,
    link: &mut Link<K>,
    id: EndpointId,
    key: RegionKey,
    region: &mut Region<K>,
) -> bool {
    let refs = region
        .page_set
        .refs()
        .get(region.told..)
        .unwrap_or_default();
    let refs = refs.get(..STAGING_REFS).unwrap_or(refs);
    let pages = refs.len();
    let request = ControlRequest::Register {
        endpoint: id.index,
        region: key,
        writable: region.extent.writable,
        offset: region.extent.offset,
        length: region.extent.length,
        first_page: region.told as u32,
        pages: pages as u32,
        staging: 0,
    };
    let subject = Subject::Register(id, key.slot);
    let posted = link.post_staged(&shared.kernel, subject, &request, refs);
    if posted {
        region.told += pages;
        region.state = match region.state {
            RegionState::Adopting { wanted, .. } => RegionState::Adopting { posted, wanted },
            _ => RegionState::Registering { posted },
        };
    }
    posted
}
