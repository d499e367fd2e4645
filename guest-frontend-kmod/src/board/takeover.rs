//! A backend goes, and another one takes over: the pages stay with their endpoints and regions, which the processes have
//! mapped, and are granted anew.
//!
//! ```text
//!          connect               orphan                attach, once nothing is mapped       connect
//! Offered ─────────▶ Serving ───────────────▶ Orphaned ────────────────────────────▶ Offered ───────┐
//!                       ▲        all had, Ready                                                     ▼
//!                       └────────────────────────────────────────────────────────────────────── Adopting
//! ```
//!
//! Orphan may come at any time, and then all begins anew. Who finds pages that are not granted to the present backend,
//! since it was there before it, grants them ([`Board::catch_up`]); nothing about them is posted before.

use mx_ring::control::ControlRequest;

use super::slot::Slot;
use super::{Board, Uplink, remove};
use crate::endpoint::{EndpointState, GrantedEndpoint};
use crate::errno::Errno;
use crate::in_flight::Subject;
use crate::kernel::{GrantRef, Kernel};
use crate::link::{Link, Phase};
use crate::lock::Lock;
use crate::shared::Shared;
use crate::target::Target;

/// Grants made or ended under one acquisition of an endpoint's lock.
const PIECE: usize = 256;

impl<K: Kernel> Board<K> {
    /// The backend is gone, or is to go, and another one may come: endpoints that are open stay so, callers go on waiting, and
    /// so does who opens an endpoint meanwhile. A board that has never had a backend is detached.
    pub fn orphan(&self, shared: &Shared<K>) {
        if !self.uplink.with(Uplink::orphan) {
            return self.detach(shared);
        }
        for index in 0..=u8::MAX {
            self.slot(index, |slot| orphan_endpoint(shared, slot));
        }
        shared.kernel.wake_callers(self.number);
    }

    /// Whether the backend is gone and another one may come.
    pub fn is_orphaned(&self) -> bool {
        self.linked(|link| link.phase) == Ok(Phase::Orphaned)
    }

    /// Ends the grants to a backend that is gone, as far as it has let go of the pages; whether none is left.
    pub fn release(&self, shared: &Shared<K>) -> bool {
        let mut whole = true;
        if !self.is_orphaned() {
            return whole;
        }
        for index in 0..=u8::MAX {
            self.in_pieces(index, |slot, at, budget| {
                let endpoint = slot.any()?;
                endpoint.end_grants(&shared.kernel, at, budget, &mut whole)
            });
        }
        self.uplink.with(|uplink| {
            if let Some(link) = &mut uplink.link {
                let ended = link.pages.end_grants(&shared.kernel, &mut { PIECE });
                whole &= ended.is_ok();
            }
        });
        whole
    }

    /// `BUSY` while the earlier backend maps something, or grants run out.
    pub(super) fn attach_successor(
        &self,
        shared: &Shared<K>,
        target: Target,
    ) -> Result<GrantRef, Errno> {
        if !self.release(shared) {
            return Err(Errno::BUSY);
        }
        let renewed = self.uplink.with(|uplink| {
            let link = uplink.link.as_mut().ok_or(Errno::NO_DEVICE)?;
            link.renew(&shared.kernel, target)
        });
        let ring_ref = renewed.map_err(|_| Errno::BUSY)?;
        self.catch_up(shared);
        Ok(ring_ref)
    }

    /// Grants the present backend all that it is to have and has not; false when grants run out: it is to be asked again then.
    pub fn catch_up(&self, shared: &Shared<K>) -> bool {
        let mut whole = true;
        for index in 0..=u8::MAX {
            whole &= self.catch_up_endpoint(shared, index);
        }
        self.finish_adoption(shared);
        // What no backend has had may have been refused.
        shared.kernel.wake_callers(self.number);
        whole
    }

    /// The same for an endpoint.
    pub(super) fn catch_up_endpoint(&self, shared: &Shared<K>, index: u8) -> bool {
        let mut whole = true;
        self.in_pieces(index, |slot, at, budget| {
            // Under the endpoint's lock: who takes the backend away meanwhile comes to this endpoint later.
            let present = |uplink: &mut Uplink<K>| uplink.link.as_ref().and_then(Link::present);
            let target = self.uplink.with(present)?;
            let endpoint = slot.any()?;
            let next = endpoint.grant(&shared.kernel, target, at, budget, &mut whole);
            bury(shared, endpoint);
            if next.is_none() {
                self.advance(shared, index, slot);
            }
            next
        });
        whole
    }

    fn in_pieces(
        &self,
        index: u8,
        mut work: impl FnMut(&mut Slot<K>, usize, &mut usize) -> Option<usize>,
    ) {
        let mut at = Some(0);
        while let Some(from) = at {
            let next = self.slot(index, |slot| work(slot, from, &mut { PIECE }));
            at = next.flatten();
        }
    }

    /// The backend says that it serves this device.
    pub fn connect(&self, shared: &Shared<K>) {
        self.uplink.with(|uplink| {
            let offered = |link: &&mut Link<K>| link.phase == Phase::Offered;
            if let Some(link) = uplink.link.as_mut().filter(offered) {
                link.phase = match link.known {
                    true => Phase::Adopting,
                    false => Phase::Serving,
                };
                link.known = true;
                uplink.deferred = true;
            }
        });
        self.advance_deferred(shared);
        self.finish_adoption(shared);
        shared.kernel.wake_callers(self.number);
    }

    /// Tells a successor that it has all, once it has. Without a lock.
    pub(super) fn finish_adoption(&self, shared: &Shared<K>) {
        let idle = |uplink: &mut Uplink<K>| uplink.link.as_ref().is_some_and(Link::adopts_idly);
        if !self.uplink.with(idle) {
            return;
        }
        // What waits and is not under way is in somebody's hands, who comes here after.
        let waits = |index| {
            let waits = |endpoint: &mut GrantedEndpoint<K>| endpoint.waits_for_adoption();
            self.slot(index, |slot| slot.any().map(waits)).flatten() == Some(true)
        };
        if (0..=u8::MAX).any(waits) {
            return;
        }
        let told = self.uplink.with(|uplink| {
            let link = uplink.link.as_mut().filter(|link| link.adopts_idly());
            let told = link.is_some_and(|link| {
                let told = link.post(&shared.kernel, Subject::Ready, &ControlRequest::Ready);
                if told {
                    link.phase = Phase::Serving;
                }
                told
            });
            uplink.deferred |= told;
            told
        });
        if told {
            self.advance_deferred(shared);
        }
    }

    /// The successor serves everything: those who sleep look at what it has, and whether it is another one.
    pub(super) fn adopted(&self, shared: &Shared<K>) {
        for index in 0..=u8::MAX {
            shared.kernel.wake_sleepers(self.number, index);
        }
    }
}

impl<K: Kernel> Uplink<K> {
    /// False when no backend has served the board.
    fn orphan(&mut self) -> bool {
        let Ok(link) = self.known() else {
            return false;
        };
        link.phase = Phase::Orphaned;
        self.deferred = false;
        self.raw.orphan();
        // Who waits for an answer asks the successor.
        self.asked = self.asked.take().filter(|asked| asked.is_answered());
        true
    }
}

/// The backend of an endpoint is gone, with all that it was asked for.
fn orphan_endpoint<K: Kernel>(shared: &Shared<K>, slot: &mut Slot<K>) {
    let Some(endpoint) = slot.any() else {
        return;
    };
    let closed = endpoint.is_closed(&shared.kernel);
    endpoint.in_flight = 0;
    endpoint.state = match endpoint.state {
        EndpointState::Closing { .. } => return remove(shared, slot),
        _ if endpoint.abandoned => return remove(shared, slot),
        EndpointState::Opening { .. } if endpoint.told && closed => {
            EndpointState::Refused(Errno::IO)
        }
        EndpointState::Opening { .. } => EndpointState::Opening { posted: false },
        EndpointState::Open | EndpointState::Adopting { .. } if closed => EndpointState::Lost,
        EndpointState::Open | EndpointState::Adopting { .. } => {
            EndpointState::Adopting { posted: false }
        }
        EndpointState::Lost => EndpointState::Lost,
        EndpointState::Refused(error) => EndpointState::Refused(error),
    };
    if !closed {
        endpoint.spare_kicks(&shared.kernel);
    }
    orphan_regions(shared, endpoint);
}

/// What becomes of an endpoint's regions, after it.
pub(super) fn orphan_regions<K: Kernel>(shared: &Shared<K>, endpoint: &mut GrantedEndpoint<K>) {
    let lost = endpoint.state == EndpointState::Lost;
    for at in 0..endpoint.regions.slots() {
        if let Some((_, region)) = endpoint.regions.in_slot(at) {
            region.orphan(lost);
        }
    }
    bury(shared, endpoint);
}

/// Takes the regions away that have come to their end and that nobody waits for.
pub(super) fn bury<K: Kernel>(shared: &Shared<K>, endpoint: &mut GrantedEndpoint<K>) {
    for at in 0..endpoint.regions.slots() {
        let over = endpoint.regions.in_slot(at);
        if over.is_some_and(|(_, region)| region.is_over())
            && let Some(region) = endpoint.regions.remove(at)
        {
            shared.defer_unmap(region.page_set);
        }
    }
}
