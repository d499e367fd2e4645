//! The raw endpoint of a guest's board: its RAW frames, one at a time either way, and no more than a share of the wire.

use core::time::Duration;

use mx_backend::{Backend, EndpointError, FrameSink, Instant, RawError};
use mx_ring::control::{ControlResponse, Status};
use mx_ring::uapi::RAW_FRAME_MAX;

use super::Device;
use crate::account::{self, Charge, Limit};
use crate::memory::PageMapper;

/// Frames that a guest may send in each [`SPAN`]: who maps a network needs few, and each may reach every board there is.
const FRAMES: u32 = 32;
/// See [`FRAMES`].
const SPAN: Duration = Duration::from_millis(10);
/// What a frame costs of a turn's budget.
const COST: usize = 8;

/// Whether a board's raw endpoint is open, and what its guest was told.
#[derive(Default)]
pub(super) struct Raw {
    open: bool,
    _charge: Option<Charge>,
    /// The guest's kernel knows that frames wait.
    told: bool,
    /// Frames sent since `since`.
    sent: u32,
    since: Instant,
}

impl<M: PageMapper> Device<M> {
    /// Opens or closes the raw endpoint; what waits when it is closed is dropped.
    pub(super) fn set_raw(&mut self, open: bool, backend: &mut Backend) -> Result<(), Status> {
        backend.close_raw(self.board);
        self.raw.open = false;
        self.raw.told = false;
        self.raw._charge = None;
        if open {
            let charge = self.account.charge([(Limit::Heap, account::RAW)]);
            let charge = charge.map_err(|why| self.refuse(why))?;
            backend.open_raw(self.board).map_err(|error| match error {
                EndpointError::Busy => Status::Busy,
                _ => Status::NotFound,
            })?;
            self.raw.open = true;
            self.raw._charge = Some(charge);
        }
        Ok(())
    }

    /// Sends the frame in the staging pages, copied once.
    pub(super) fn send_raw(
        &mut self,
        now: Instant,
        backend: &mut Backend,
        sink: &mut impl FrameSink,
        length: u16,
        budget: &mut usize,
    ) -> Result<(), Status> {
        *budget = budget.saturating_sub(COST);
        if !self.raw.open {
            return Err(Status::NotFound);
        }
        if now - self.raw.since >= SPAN {
            self.raw.since = now;
            self.raw.sent = 0;
        }
        if self.raw.sent >= FRAMES {
            return Err(Status::NoSpace);
        }
        self.raw.sent += 1;
        let mut frame = [0; RAW_FRAME_MAX];
        let length = self.staging.frame(length, &mut frame);
        let frame = length.and_then(|length| frame.get(..length));
        backend
            .send_raw(now, self.board, frame.ok_or(Status::Invalid)?, sink)
            .map_err(|error| {
                log::debug!("board {}: raw endpoint: {error}", self.board.0);
                match error {
                    RawError::Full => Status::NoSpace,
                    RawError::NoBoard => Status::NotFound,
                    _ => Status::Denied,
                }
            })
    }

    /// Puts the next frame where the guest's kernel takes it.
    pub(super) fn take_raw(&mut self, backend: &mut Backend) -> Result<(), Status> {
        let waiting = backend.raw_frames(self.board);
        match waiting.and_then(|frames| frames.pop_front()) {
            Some(frame) if self.control.put_frame(&frame) => Ok(()),
            Some(_) => Err(Status::Invalid),
            None => {
                self.raw.told = false;
                Err(Status::NotFound)
            }
        }
    }

    /// Says once that frames wait; true when it is to be tried again, since the ring of responses is full.
    pub fn tell_of_raw(&mut self, backend: &mut Backend) -> bool {
        let waiting = backend.raw_frames(self.board);
        let waits = waiting.is_some_and(|frames| !frames.is_empty());
        if !self.raw.open || self.raw.told || !waits {
            return false;
        }
        self.raw.told = self.control.respond(&ControlResponse {
            id: 0,
            status: Status::RawWaits,
            endpoint: 0,
        });
        self.notify |= self.raw.told;
        !self.raw.told
    }
}
