//! What the home answers, and says unasked.

use mx_ring::control::{ControlError, Response, STAGING_REFS, Status};

use super::Board;
use crate::endpoint::{Endpoint, State};
use crate::errno::Errno;
use crate::in_flight::Subject;
use crate::kernel::Kernel;
use crate::pool::Pool;
use crate::region::State as RegionState;

/// Why a home cannot be served any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It wrote something impossible into the control ring.
    Control(ControlError),
    /// It answered a request that nobody made.
    UnknownRequest(u32),
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Control(error) => error.fmt(f),
            Self::UnknownRequest(id) => {
                write!(f, "the home answered request {id}, which nobody made")
            }
        }
    }
}

impl<K: Kernel> Board<K> {
    /// Takes one response or notice; false when none waits. After a fault the caller detaches the board.
    pub fn respond(&mut self, pool: &mut Pool<K>) -> Result<bool, Fault> {
        let Some(link) = self.link.as_mut() else {
            return Ok(false);
        };
        let response = match link.next_response() {
            None => return Ok(false),
            Some(Err(error)) => return Err(Fault::Control(error)),
            Some(Ok(response)) => response,
        };
        if response.id == 0 {
            self.notice(pool, &response);
            return Ok(true);
        }
        let subject = link
            .answered(response.id)
            .ok_or(Fault::UnknownRequest(response.id))?;
        let refused = refusal(response.status);
        let index = match subject {
            Subject::Open(index) => self.answer_open(pool, index, refused),
            Subject::Close(index) => {
                self.remove(pool, index);
                index
            }
            Subject::Register(index, slot) => self.answer_register(pool, index, slot, refused),
            Subject::Deregister(index, slot) => self.answer_deregister(pool, index, slot),
        };
        self.advance(pool, index);
        self.advance_deferred(pool);
        pool.kernel.wake_callers(self.number);
        Ok(true)
    }

    fn notice(&mut self, pool: &Pool<K>, notice: &Response) {
        if let Some(Some(endpoint)) = self.endpoints.get_mut(usize::from(notice.endpoint)) {
            endpoint.closed_by_home = true;
            pool.kernel.wake_sleepers(self.number, notice.endpoint);
        }
    }

    fn answer_open(&mut self, pool: &mut Pool<K>, index: u8, refused: Option<Errno>) -> u8 {
        let Some(endpoint) = self.endpoint_answered(index) else {
            return index;
        };
        match refused {
            None if endpoint.abandoned => endpoint.state = State::Closing { posted: false },
            None => endpoint.state = State::Open,
            Some(_) if endpoint.abandoned => self.remove(pool, index),
            Some(error) => endpoint.state = State::Refused(error),
        }
        index
    }

    fn answer_register(
        &mut self,
        pool: &mut Pool<K>,
        index: u8,
        slot: u16,
        refused: Option<Errno>,
    ) -> u8 {
        let Some(endpoint) = self.endpoint_answered(index) else {
            return index;
        };
        let Some((_, region)) = endpoint.regions.in_slot(slot) else {
            return index;
        };
        let granted = region.batch.refs().len();
        region.state = match refused {
            None if granted < region.batch.total() => RegionState::Registering { posted: false },
            None if region.awaited => RegionState::Ready,
            None => RegionState::Leaving {
                posted: false,
                refused: None,
            },
            Some(error) if granted <= STAGING_REFS => RegionState::Refused(error),
            // Earlier pieces are mapped.
            Some(error) => RegionState::Leaving {
                posted: false,
                refused: Some(error),
            },
        };
        self.skip_unawaited(pool, index, slot);
        index
    }

    fn answer_deregister(&mut self, pool: &mut Pool<K>, index: u8, slot: u16) -> u8 {
        let Some(endpoint) = self.endpoint_answered(index) else {
            return index;
        };
        if let Some((_, region)) = endpoint.regions.in_slot(slot) {
            region.state = match region.state {
                RegionState::Leaving {
                    refused: Some(error),
                    ..
                } => RegionState::Refused(error),
                _ => RegionState::Left,
            };
        }
        self.skip_unawaited(pool, index, slot);
        index
    }

    /// A region at its end that nobody waits for goes at once.
    fn skip_unawaited(&mut self, pool: &mut Pool<K>, index: u8, slot: u16) {
        let Some(Some(endpoint)) = self.endpoints.get_mut(usize::from(index)) else {
            return;
        };
        let ended = endpoint.regions.in_slot(slot).is_some_and(|(_, region)| {
            !region.awaited && matches!(region.state, RegionState::Left | RegionState::Refused(_))
        });
        if ended && let Some(region) = endpoint.regions.remove(slot) {
            pool.linger(region.batch);
        }
    }

    fn endpoint_answered(&mut self, index: u8) -> Option<&mut Endpoint<K>> {
        let endpoint = self.endpoints.get_mut(usize::from(index))?.as_mut()?;
        endpoint.in_flight = endpoint.in_flight.saturating_sub(1);
        Some(endpoint)
    }
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
        Status::Misbehaved | Status::HomeGone => Some(Errno::IO),
    }
}
