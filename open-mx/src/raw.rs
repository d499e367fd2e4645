//! Raw endpoints: RAW frames (wire.md §6.1) of a board, whole, for programs that discover or map the network in a way
//! of their own.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mx_ring::fork_guard::ForkGuard;
pub use mx_ring::uapi::RAW_FRAME_MAX;
use mx_ring::unshared::Unshared;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags};

use crate::backend::{Backend, CallError, Channel};
use crate::board::no_board;
use crate::clock;
use crate::error::Error;

/// Something that happened at a raw endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawEvent {
    /// A frame was handed to the board: the word that its sender gave along.
    Sent(u64),
    /// A frame has come in; its length.
    Received(usize),
}

/// An open raw endpoint. It is closed when it is dropped.
pub struct RawEndpoint {
    backend: Backend,
    board: u32,
    channel: Arc<dyn Channel>,
    /// Goes before the frames.
    _unshared: Unshared,
    /// The connection, or the module's file: each datagram, `read` or `write` is a frame.
    frames: OwnedFd,
    /// Words of frames that were handed over and not told of yet.
    sent: Mutex<VecDeque<u64>>,
    /// Readable once for each of them.
    told: OwnedFd,
    /// Readable when there is an event of either kind.
    ready: OwnedFd,
    fork_guard: ForkGuard,
}

impl RawEndpoint {
    /// Opens the raw endpoint of a board; each board has one.
    pub fn open(backend: &Backend, board: u32) -> Result<Self, Error> {
        let channel = backend.channel()?.channel;
        let frames = channel.open_raw(board);
        let frames = frames.map_err(|error| match no_board(error.into(), board) {
            Error::Refused(Errno::PERM | Errno::ACCESS) => Error::NotAdministrator,
            other => other,
        })?;
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK | EventfdFlags::SEMAPHORE;
        let told = eventfd(0, flags).map_err(CallError)?;
        let ready = epoll::create(CreateFlags::CLOEXEC).map_err(CallError)?;
        for descriptor in [&frames, &told] {
            epoll::add(&ready, descriptor, EventData::new_u64(0), EventFlags::IN)
                .map_err(CallError)?;
        }
        Ok(Self {
            backend: backend.clone(),
            board,
            channel,
            _unshared: Unshared::of(&frames),
            frames,
            sent: Mutex::new(VecDeque::new()),
            told,
            ready,
            fork_guard: ForkGuard::new().map_err(CallError::from)?,
        })
    }

    /// Where its board is.
    pub fn board(&self) -> (&Backend, u32) {
        (&self.backend, self.board)
    }

    /// Readable when there is an event.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }

    /// Sends a whole frame, from the destination's address on. A frame that the board must not send is dropped there.
    /// With a word [`RawEvent::Sent`] follows.
    pub fn send(&self, frame: &[u8], context: Option<u64>) -> Result<(), Error> {
        self.check_birth()?;
        if frame.is_empty() || frame.len() > RAW_FRAME_MAX {
            return Err(Error::RawFrame(frame.len()));
        }
        // What a signal interrupts has not begun.
        retry_on_intr(|| match self.backend {
            Backend::Socket(_) => rustix::net::send(&self.frames, frame, SendFlags::NOSIGNAL),
            Backend::Device(_) => rustix::io::write(&self.frames, frame),
        })
        .map_err(CallError)?;
        if let Some(context) = context {
            let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            sent.push_back(context);
            // Its count has room for more than memory has for words.
            let _ = rustix::io::write(&self.told, &1_u64.to_ne_bytes());
        }
        Ok(())
    }

    /// The next event, waited for no longer than this (`None`: for ever). A frame is put to the front of `frame`. Those of
    /// frames that were sent count only when `maybe_sent`; otherwise they stay for later.
    pub fn next_event(
        &self,
        frame: &mut [u8; RAW_FRAME_MAX],
        timeout: Option<Duration>,
        maybe_sent: bool,
    ) -> Result<Option<RawEvent>, Error> {
        self.check_birth()?;
        let start = clock::now();
        loop {
            if let Some(context) = maybe_sent.then(|| self.take_sent()).flatten() {
                return Ok(Some(RawEvent::Sent(context)));
            }
            match self.receive(frame) {
                Ok(0) => return Err(Error::BackendGone),
                Ok(length) => return Ok(Some(RawEvent::Received(length))),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(errno) => return Err(CallError(errno).into()),
            }
            let left = timeout.map(|all| all.saturating_sub(clock::now().saturating_sub(start)));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            let awaited = if maybe_sent {
                &self.ready
            } else {
                &self.frames
            };
            match poll(&mut [PollFd::new(awaited, PollFlags::IN)], left.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(CallError(errno).into()),
            }
        }
    }

    /// A child shares the descriptors, but not what was sent.
    fn check_birth(&self) -> Result<(), Error> {
        if self.fork_guard.is_inherited() {
            return Err(Error::NotOpen);
        }
        Ok(())
    }

    /// Takes a frame without waiting; its length, 0 when the backend is gone.
    fn receive(&self, frame: &mut [u8; RAW_FRAME_MAX]) -> Result<usize, Errno> {
        match self.backend {
            Backend::Socket(_) => {
                let received = rustix::net::recv(&self.frames, &mut frame[..], RecvFlags::DONTWAIT);
                received.map(|(length, _)| length)
            }
            Backend::Device(_) => match rustix::io::read(&self.frames, &mut frame[..]) {
                Err(Errno::NODEV) => Ok(0),
                taken => taken,
            },
        }
    }

    fn take_sent(&self) -> Option<u64> {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let context = sent.pop_front()?;
        // One was written for each word.
        let _ = rustix::io::read(&self.told, &mut [0; 8]);
        Some(context)
    }
}

impl Drop for RawEndpoint {
    fn drop(&mut self) {
        if !self.fork_guard.is_inherited() {
            self.channel.close();
        }
    }
}
