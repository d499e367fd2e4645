//! The raw endpoint of a board: RAW frames (wire.md §6.1) of the process that has opened it, through the control pages.
//!
//! The backend is told whether the endpoint is open, and again when that has changed. One frame at a time goes out, in
//! the staging pages; one at a time comes in, when the backend has said that some wait, and is kept here for the
//! process. When the process does not read, the others wait with the backend, which drops what is too much.

use alloc::collections::VecDeque;
use core::task::Poll;

use mx_ring::control::{ControlRequest, Status};
use mx_ring::uapi::RAW_FRAME_MAX;

use super::{Board, Uplink};
use crate::endpoint::Process;
use crate::errno::Errno;
use crate::in_flight::Subject;
use crate::kernel::Kernel;
use crate::link::{Link, Phase};
use crate::lock::Lock;
use crate::shared::Shared;

/// Frames kept for the process at most.
const KEPT: usize = 8;

/// A frame.
struct Frame {
    bytes: [u8; RAW_FRAME_MAX],
    length: usize,
}

/// The raw endpoint of a board, open or not.
pub struct Raw {
    /// Which use of it is the present one; none when it is not open.
    open: Option<u32>,
    /// Whose use that is, or was.
    process: Option<Process>,
    /// What the backend was told last, and has confirmed.
    told: bool,
    /// What it is being told.
    telling: Option<bool>,
    /// Who has it open knows that it is open.
    noted: bool,
    /// Why the backend did not open it.
    refused: Option<Errno>,
    /// The backend has frames.
    waiting: bool,
    /// One is asked for, for that use of the endpoint.
    taking: Option<u32>,
    kept: VecDeque<Frame>,
}

impl Raw {
    /// Not open, and no backend was told otherwise.
    pub const fn new() -> Self {
        Self {
            open: None,
            process: None,
            told: false,
            telling: None,
            noted: false,
            refused: None,
            waiting: false,
            taking: None,
            kept: VecDeque::new(),
        }
    }

    /// Whether it is open, or being opened.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether a backend has opened it for its present use.
    fn is_confirmed(&self) -> bool {
        self.noted || (self.told && self.telling.is_none())
    }

    /// The backend is gone: another one is told anew, and frames that waited there are lost, as on a wire.
    pub fn orphan(&mut self) {
        self.told = false;
        self.telling = None;
        self.waiting = false;
        self.taking = None;
    }

    fn check(&self, number: u32) -> Result<(), Errno> {
        (self.open == Some(number))
            .then_some(())
            .ok_or(Errno::NO_DEVICE)
    }
}

impl<K: Kernel> Board<K> {
    /// Begins to open the raw endpoint under a number that no other use has. It is over when [`Self::raw_opened`] says
    /// so. `BUSY` when somebody has it open.
    pub fn open_raw(&self, shared: &Shared<K>, number: u32, process: Process) -> Result<(), Errno> {
        self.uplink.with(|uplink| {
            uplink.known()?;
            if uplink.raw.open.is_some() {
                return Err(Errno::BUSY);
            }
            let room = uplink.raw.kept.try_reserve_exact(KEPT);
            room.map_err(|_| Errno::NO_MEMORY)?;
            uplink.raw.open = Some(number);
            uplink.raw.noted = false;
            uplink.raw.process = Some(process);
            uplink.advance_raw(&shared.kernel);
            Ok(())
        })
    }

    /// Who has it open, once a backend has opened it.
    pub fn raw_opener(&self) -> Option<Process> {
        self.uplink.with(|uplink| {
            let raw = &uplink.raw;
            let open = raw.is_open() && raw.is_confirmed();
            raw.process.filter(|_| open)
        })
    }

    /// How that ended. After an error it is not open.
    pub fn raw_opened(&self, number: u32) -> Poll<Result<(), Errno>> {
        self.uplink.with(|uplink| {
            let raw = &mut uplink.raw;
            if let Err(error) = raw.check(number) {
                return Poll::Ready(Err(error));
            }
            if let Some(error) = raw.refused.take() {
                raw.open = None;
                return Poll::Ready(Err(error));
            }
            raw.noted = raw.is_confirmed();
            match raw.noted {
                true => Poll::Ready(Ok(())),
                false => Poll::Pending,
            }
        })
    }

    /// Closes it; what waits for its process is dropped.
    pub fn close_raw(&self, shared: &Shared<K>, number: u32) {
        self.uplink.with(|uplink| {
            let raw = &mut uplink.raw;
            if raw.check(number).is_ok() {
                raw.open = None;
                raw.refused = None;
                raw.kept.clear();
                uplink.advance_raw(&shared.kernel);
            }
        });
    }

    /// Hands a frame to the backend, which drops it if the board must not send it; one that is gone drops it, too. `Pending`
    /// while the staging pages are in use.
    pub fn send_raw(
        &self,
        shared: &Shared<K>,
        number: u32,
        frame: &[u8],
    ) -> Poll<Result<(), Errno>> {
        self.uplink.with(|uplink| {
            if let Err(error) = uplink.raw.check(number) {
                return Poll::Ready(Err(error));
            }
            match uplink.serving() {
                Poll::Pending => Poll::Ready(Ok(())),
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Ready(Ok(link)) if !link.can_stage() => Poll::Pending,
                Poll::Ready(Ok(link)) => {
                    Poll::Ready(match link.post_frame(&shared.kernel, frame) {
                        true => Ok(()),
                        false => Err(Errno::INVALID),
                    })
                }
            }
        })
    }

    /// The length of the next frame that has come in, copied; `None` when there is none.
    pub fn take_raw(
        &self,
        shared: &Shared<K>,
        number: u32,
        into: &mut [u8; RAW_FRAME_MAX],
    ) -> Result<Option<usize>, Errno> {
        self.uplink.with(|uplink| {
            uplink.raw.check(number)?;
            let Some(frame) = uplink.raw.kept.pop_front() else {
                return Ok(None);
            };
            *into = frame.bytes;
            uplink.advance_raw(&shared.kernel);
            Ok(Some(frame.length))
        })
    }

    /// Whether a frame has come in.
    pub fn raw_waits(&self, number: u32) -> Result<bool, Errno> {
        self.uplink.with(|uplink| {
            uplink.raw.check(number)?;
            Ok(!uplink.raw.kept.is_empty())
        })
    }
}

impl<K: Kernel> Uplink<K> {
    /// Posts what the raw endpoint needs from the backend, as far as there is room.
    pub(super) fn advance_raw(&mut self, kernel: &K) {
        let serving = |link: &&mut Link<K>| link.phase == Phase::Serving;
        let Some(link) = self.link.as_mut().filter(serving) else {
            return;
        };
        let raw = &mut self.raw;
        let open = raw.open.is_some();
        if raw.telling.is_some() {
            return;
        }
        if raw.told != open && raw.refused.is_none() {
            let posted = link.post(kernel, Subject::Raw, &ControlRequest::Raw { open });
            raw.telling = posted.then_some(open);
            self.deferred |= !posted;
        } else if let Some(number) = raw.open
            && raw.waiting
            && raw.taking.is_none()
            && raw.kept.len() < KEPT
        {
            let posted = link.post(kernel, Subject::TakeRaw, &ControlRequest::TakeRaw);
            raw.taking = posted.then_some(number);
            self.deferred |= !posted;
        }
    }

    /// The backend has opened or closed it, or not.
    pub(super) fn answer_raw(&mut self, kernel: &K, refused: Option<Errno>) {
        let told = self.raw.telling.take();
        match refused {
            None => {
                self.raw.told = told.unwrap_or(self.raw.told);
                self.raw.waiting = false;
            }
            Some(_) if self.raw.open.is_none() => self.raw.told = false,
            // A successor's refusal ends it.
            Some(_) if self.raw.noted => self.raw.open = None,
            Some(error) => self.raw.refused = Some(error),
        }
        self.advance_raw(kernel);
    }

    /// The backend has put a frame into its page, or has none.
    pub(super) fn answer_take_raw(&mut self, kernel: &K, status: Status) {
        let asker = self.raw.taking.take();
        self.raw.waiting &= status == Status::Ok;
        let mut bytes = [0; RAW_FRAME_MAX];
        let taken = self.link.as_ref().filter(|_| status == Status::Ok);
        if let Some(length) = taken.and_then(|link| link.frame(&mut bytes))
            && asker.is_some()
            && asker == self.raw.open
            && self.raw.kept.len() < KEPT
        {
            self.raw.kept.push_back(Frame { bytes, length });
        }
        self.advance_raw(kernel);
    }

    /// The backend has frames. False when that was known, or is nobody's business.
    pub(super) fn raw_frames_wait(&mut self, kernel: &K) -> bool {
        let news = self.raw.is_open() && !self.raw.waiting;
        self.raw.waiting = true;
        self.advance_raw(kernel);
        news
    }
}
