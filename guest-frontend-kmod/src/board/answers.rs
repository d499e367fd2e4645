//! What the backend answers, and says unasked.

use mx_ring::control::{ControlError, STAGING_REFS, Status};

use super::slot::Slot;
use super::takeover::{bury, orphan_regions};
use super::{Board, Uplink, remove};
use crate::endpoint::{EndpointState, GrantedEndpoint};
use crate::endpoint_id::EndpointId;
use crate::errno::Errno;
use crate::in_flight::Subject;
use crate::kernel::Kernel;
use crate::link::{Link, Phase};
use crate::lock::Lock;
use crate::region::{Region, RegionState};
use crate::shared::Shared;

/// Why a backend cannot be served any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It wrote something impossible into the control ring.
    #[error(transparent)]
    Control(ControlError),
    /// It answered a request that nobody made.
    #[error("the backend answered request {0}, which nobody made")]
    UnknownRequest(u32),
    /// It sends notices without end.
    #[error("the backend sends notices that say nothing, one after the other")]
    EmptyNotices,
    /// It wrote answers before it said that it serves the device. They would never be taken, so each of its events would look
    /// as if it brought them.
    #[error("the backend answers before it has said that it serves the device")]
    Early,
}

/// What the backend has said.
enum Said {
    Nothing,
    /// About the board itself; it has taken effect.
    ToTheBoard,
    /// A successor serves all that it was told of.
    Adopted,
    Notice(u8),
    /// From the backend of this link.
    Answer(u32, EndpointId, Subject, Status),
}

impl<K: Kernel> Board<K> {
    /// Takes one response or notice; false when none waits. One thread at a time, so that answers take effect in their
    /// order. After a fault the caller detaches the board.
    pub fn respond(&self, shared: &Shared<K>) -> Result<bool, Fault> {
        match self.uplink.with(|uplink| listen(uplink, &shared.kernel))? {
            Said::Nothing => return Ok(false),
            Said::ToTheBoard => {
                self.advance_deferred(shared);
                shared.kernel.wake_callers(self.number);
            }
            Said::Notice(index) => {
                let close = |endpoint: &mut GrantedEndpoint<K>| {
                    !core::mem::replace(&mut endpoint.closed_by_backend, true)
                };
                match self.at(index, close) {
                    Some(true) => shared.kernel.wake_sleepers(self.number, index),
                    Some(false) | None => self.uplink.with(bear_empty_notice)?,
                }
            }
            Said::Adopted => {
                self.adopted(shared);
                shared.kernel.wake_callers(self.number);
            }
            Said::Answer(link, id, subject, status) => {
                self.slot(id.index, |slot| {
                    // It may have ended with its link meanwhile, or wait for a successor.
                    let present = |uplink: &mut Uplink<K>| {
                        let target = uplink.link.as_ref().and_then(Link::present);
                        target.is_some_and(|target| target.number == link)
                    };
                    if slot.find(id).is_some() && self.uplink.with(present) {
                        self.answer(shared, slot, subject, refusal(status));
                        self.advance(shared, id.index, slot);
                    }
                });
                self.advance_deferred(shared);
                self.finish_adoption(shared);
                shared.kernel.wake_callers(self.number);
            }
        }
        Ok(true)
    }
}

impl<K: Kernel> Board<K> {
    fn answer(
        &self,
        shared: &Shared<K>,
        slot: &mut Slot<K>,
        subject: Subject,
        refused: Option<Errno>,
    ) {
        match subject {
            Subject::Open(id) => self.answer_open(shared, slot, id.index, refused),
            Subject::Close(_) => remove(shared, slot),
            Subject::Register(id, at) => {
                let Some(endpoint) = slot.any() else {
                    return;
                };
                let mut lost = false;
                answer_region(shared, endpoint, at, |region| {
                    lost = registered(region, refused);
                });
                if lost {
                    // Its process was promised that it may use it.
                    endpoint.closed_by_backend = true;
                    self.tell_that_it_is_lost(shared, id.index, endpoint);
                }
            }
            Subject::Deregister(_, at) => {
                if let Some(endpoint) = slot.any() {
                    answer_region(shared, endpoint, at, deregistered);
                }
            }
            Subject::Raw
            | Subject::SendRaw
            | Subject::TakeRaw
            | Subject::Change
            | Subject::Ready => {}
        }
    }

    fn answer_open(
        &self,
        shared: &Shared<K>,
        slot: &mut Slot<K>,
        index: u8,
        refused: Option<Errno>,
    ) {
        let Some(endpoint) = slot.any() else {
            return;
        };
        endpoint.in_flight = endpoint.in_flight.saturating_sub(1);
        match (refused, endpoint.state) {
            (None, _) if endpoint.abandoned => {
                endpoint.state = EndpointState::Closing { posted: false };
            }
            (None, _) => endpoint.state = EndpointState::Open,
            (Some(_), _) if endpoint.abandoned => remove(shared, slot),
            (Some(_), EndpointState::Adopting { .. }) => {
                endpoint.state = EndpointState::Lost;
                orphan_regions(shared, endpoint);
                self.tell_that_it_is_lost(shared, index, endpoint);
            }
            (Some(error), _) => endpoint.state = EndpointState::Refused(error),
        }
    }

    /// The process finds what it finds when no successor comes.
    fn tell_that_it_is_lost(&self, shared: &Shared<K>, index: u8, endpoint: &GrantedEndpoint<K>) {
        endpoint.backend_gone(&shared.kernel);
        shared.kernel.wake_sleepers(self.number, index);
    }
}

fn bear_empty_notice<K: Kernel>(uplink: &mut Uplink<K>) -> Result<(), Fault> {
    let borne = uplink.link.as_mut().is_none_or(Link::bear_empty_notice);
    borne.then_some(()).ok_or(Fault::EmptyNotices)
}

fn listen<K: Kernel>(uplink: &mut Uplink<K>, kernel: &K) -> Result<Said, Fault> {
    let exists = |link: &&mut Link<K>| link.phase != Phase::Orphaned;
    let Some(link) = uplink.link.as_mut().filter(exists) else {
        return Ok(Said::Nothing);
    };
    let response = match link.next_response() {
        None => return Ok(Said::Nothing),
        Some(response) => response.map_err(Fault::Control)?,
    };
    if link.phase == Phase::Offered {
        return Err(Fault::Early);
    }
    if response.id == 0 && response.status == Status::RawWaits {
        if !uplink.raw_frames_wait(kernel) {
            bear_empty_notice(uplink)?;
        }
        return Ok(Said::ToTheBoard);
    }
    if response.id == 0 {
        return Ok(Said::Notice(response.endpoint));
    }
    let subject = link.answered(response.id);
    let subject = subject.ok_or(Fault::UnknownRequest(response.id))?;
    match subject {
        Subject::Open(id)
        | Subject::Close(id)
        | Subject::Register(id, _)
        | Subject::Deregister(id, _) => {
            return Ok(Said::Answer(
                link.target.number,
                id,
                subject,
                response.status,
            ));
        }
        Subject::Ready => return Ok(Said::Adopted),
        Subject::Raw => uplink.answer_raw(kernel, refusal(response.status)),
        // What the board must not send is dropped, as on a wire.
        Subject::SendRaw => {}
        Subject::TakeRaw => uplink.answer_take_raw(kernel, response.status),
        Subject::Change => uplink.answer_change(response.status),
    }
    Ok(Said::ToTheBoard)
}

/// A region gets a new state; at its end it goes at once if nobody waits for it.
fn answer_region<K: Kernel>(
    shared: &Shared<K>,
    endpoint: &mut GrantedEndpoint<K>,
    at: u16,
    become_: impl FnOnce(&mut Region<K>),
) {
    endpoint.in_flight = endpoint.in_flight.saturating_sub(1);
    if let Some((_, region)) = endpoint.regions.in_slot(at) {
        become_(region);
        bury(shared, endpoint);
    }
}

/// The answer to a piece. True when a region is refused that its process has been promised.
fn registered<K: Kernel>(region: &mut Region<K>, refused: Option<Errno>) -> bool {
    let (adopting, wanted) = match region.state {
        RegionState::Adopting { wanted, .. } => (true, wanted),
        _ => (false, region.awaited),
    };
    region.state = match refused {
        None if region.told < region.page_set.total() => match region.state {
            RegionState::Adopting { wanted, .. } => RegionState::Adopting {
                posted: false,
                wanted,
            },
            _ => RegionState::Registering { posted: false },
        },
        None if wanted => RegionState::Ready,
        None => RegionState::Leaving {
            posted: false,
            refused: None,
        },
        Some(error) if region.told <= STAGING_REFS => RegionState::Refused(error),
        // Earlier pieces are mapped.
        Some(error) => RegionState::Leaving {
            posted: false,
            refused: Some(error),
        },
    };
    refused.is_some() && adopting && wanted
}

fn deregistered<K: Kernel>(region: &mut Region<K>) {
    region.state = match region.state {
        RegionState::Leaving {
            refused: Some(error),
            ..
        } => RegionState::Refused(error),
        _ => RegionState::Left,
    };
}

/// What a status means to the process that asked; `None` when it went well.
fn refusal(status: Status) -> Option<Errno> {
    match status {
        Status::Ok => None,
        Status::Invalid => Some(Errno::INVALID),
        Status::Busy => Some(Errno::BUSY),
        Status::NotFound => Some(Errno::NO_DEVICE),
        Status::NoSpace => Some(Errno::AGAIN),
        Status::BadGrant => Some(Errno::FAULT),
        Status::Denied => Some(Errno::NOT_SUPPORTED),
        Status::Misbehaved | Status::BackendGone | Status::RawWaits => Some(Errno::IO),
    }
}
