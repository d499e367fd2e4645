//! What the backend answers, and says unasked.

use mx_ring::control::{ControlError, STAGING_REFS, Status};

use super::slot::Slot;
use super::{Board, Uplink, remove};
use crate::endpoint::EndpointState;
use crate::endpoint_id::EndpointId;
use crate::errno::Errno;
use crate::in_flight::Subject;
use crate::kernel::Kernel;
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
}

/// What the backend has said.
enum Said {
    Nothing,
    /// About the board itself; it has taken effect.
    ToTheBoard,
    Notice(u8),
    Answer(EndpointId, Subject, Status),
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
                self.at(index, |endpoint| endpoint.closed_by_backend = true);
                shared.kernel.wake_sleepers(self.number, index);
            }
            Said::Answer(id, subject, status) => {
                self.slot(id.index, |slot| {
                    // It may have ended with its link meanwhile.
                    if slot.find(id).is_some() {
                        answer(shared, slot, subject, refusal(status));
                        self.advance(shared, id.index, slot);
                    }
                });
                self.advance_deferred(shared);
                shared.kernel.wake_callers(self.number);
            }
        }
        Ok(true)
    }
}

fn listen<K: Kernel>(uplink: &mut Uplink<K>, kernel: &K) -> Result<Said, Fault> {
    let Some(link) = uplink.link.as_mut() else {
        return Ok(Said::Nothing);
    };
    let response = match link.next_response() {
        None => return Ok(Said::Nothing),
        Some(response) => response.map_err(Fault::Control)?,
    };
    if response.id == 0 && response.status == Status::RawWaits {
        uplink.raw_frames_wait(kernel);
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
        | Subject::Deregister(id, _) => return Ok(Said::Answer(id, subject, response.status)),
        Subject::Raw => uplink.answer_raw(kernel, refusal(response.status)),
        // What the board must not send is dropped, as on a wire.
        Subject::SendRaw => {}
        Subject::TakeRaw => uplink.answer_take_raw(kernel, response.status),
        Subject::Change => uplink.answer_change(response.status),
    }
    Ok(Said::ToTheBoard)
}

fn answer<K: Kernel>(
    shared: &Shared<K>,
    slot: &mut Slot<K>,
    subject: Subject,
    refused: Option<Errno>,
) {
    match subject {
        Subject::Open(_) => answer_open(shared, slot, refused),
        Subject::Close(_) => remove(shared, slot),
        Subject::Register(_, region) => answer_region(shared, slot, region, |region| {
            registered(region, refused);
        }),
        Subject::Deregister(_, region) => answer_region(shared, slot, region, deregistered),
        Subject::Raw | Subject::SendRaw | Subject::TakeRaw | Subject::Change => {}
    }
}

fn answer_open<K: Kernel>(shared: &Shared<K>, slot: &mut Slot<K>, refused: Option<Errno>) {
    let Some(endpoint) = slot.any() else {
        return;
    };
    endpoint.in_flight = endpoint.in_flight.saturating_sub(1);
    match refused {
        None if endpoint.abandoned => endpoint.state = EndpointState::Closing { posted: false },
        None => endpoint.state = EndpointState::Open,
        Some(_) if endpoint.abandoned => remove(shared, slot),
        Some(error) => endpoint.state = EndpointState::Refused(error),
    }
}

/// A region gets a new state; at its end it goes at once if nobody waits for it.
fn answer_region<K: Kernel>(
    shared: &Shared<K>,
    slot: &mut Slot<K>,
    at: u16,
    become_: impl FnOnce(&mut Region<K>),
) {
    let Some(endpoint) = slot.any() else {
        return;
    };
    endpoint.in_flight = endpoint.in_flight.saturating_sub(1);
    let Some((_, region)) = endpoint.regions.in_slot(at) else {
        return;
    };
    become_(region);
    let over = matches!(region.state, RegionState::Left | RegionState::Refused(_));
    if over
        && !region.awaited
        && let Some(region) = endpoint.regions.remove(at)
    {
        shared.defer_unmap(region.page_set);
    }
}

fn registered<K: Kernel>(region: &mut Region<K>, refused: Option<Errno>) {
    region.state = match refused {
        None if region.told < region.page_set.total() => RegionState::Registering { posted: false },
        None if region.awaited => RegionState::Ready,
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
