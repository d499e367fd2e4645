//! Questions to an `omxd` and their answers, one at a time, over a connection of which each step may fail.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use mx_ring::uapi::{Call, CallReply, CallRequest};
use mx_ring::uapi_socket::{self, ROOM, Received};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use super::{CallError, reply};

/// What carries datagrams: a connection, or what a test has in its place. A call may fail with `INTR` and `AGAIN` without
/// meaning anything by it.
pub trait Way {
    /// Sends a datagram; how many bytes went.
    fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<usize, Errno>;
    /// Receives one.
    fn receive(&self, bytes: &mut [u8; ROOM]) -> Result<Received, Errno>;
    /// Waits until there is something to receive (`IN`), or room to send (`OUT`).
    fn wait(&self, what: PollFlags) -> Result<(), Errno>;
}

impl Way for OwnedFd {
    fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<usize, Errno> {
        uapi_socket::send_bytes(self, bytes, descriptors, SendFlags::empty())
    }

    fn receive(&self, bytes: &mut [u8; ROOM]) -> Result<Received, Errno> {
        uapi_socket::receive_bytes(self, bytes, RecvFlags::empty())
    }

    fn wait(&self, what: PollFlags) -> Result<(), Errno> {
        poll(&mut [PollFd::from_borrowed_fd(self.as_fd(), what)], None).map(drop)
    }
}

/// Asks. Several threads may.
pub struct Caller<W> {
    way: W,
    /// Number of the next question. Whoever asks holds it until he has his answer.
    next: Mutex<u64>,
}

impl<W: Way> Caller<W> {
    /// Nothing was asked yet. The first question has number 0, which versions without numbers answer, too: so a difference
    /// of versions is found out.
    pub fn new(way: W) -> Self {
        Self {
            way,
            next: Mutex::new(0),
        }
    }

    /// How the calls travel.
    pub fn way(&self) -> &W {
        &self.way
    }

    /// Asks, waits for the answer to this very question, whatever signals come meanwhile, and gives it with the
    /// descriptors that came along.
    pub fn ask(
        &self,
        request: &CallRequest,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(CallReply, Vec<OwnedFd>), CallError> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let question = Call {
            number: *next,
            ..request.encode()
        };
        *next += 1;
        let bytes = question.to_bytes();
        let sent = self.persist(PollFlags::OUT, || self.way.send(&bytes, descriptors))?;
        if sent != bytes.len() {
            return Err(CallError(Errno::PROTO));
        }
        loop {
            let mut bytes = [0; ROOM];
            let received = self.persist(PollFlags::IN, || self.way.receive(&mut bytes))?;
            if received.length == 0 {
                return Err(CallError(Errno::PIPE));
            }
            let answer = received.call(&bytes).ok_or(CallError(Errno::PROTO))?;
            if answer.number != question.number {
                // To an earlier question, which has ended without it.
                continue;
            }
            if answer.kind != question.kind {
                return Err(CallError(Errno::PROTO));
            }
            return reply(&answer).map(|reply| (reply, received.descriptors));
        }
    }

    /// Makes a call again until it has an end.
    fn persist<T>(
        &self,
        what: PollFlags,
        mut call: impl FnMut() -> Result<T, Errno>,
    ) -> Result<T, CallError> {
        loop {
            match call() {
                Err(Errno::INTR) => {}
                // The connection was made to wait, but whoever shares it may have changed that.
                Err(Errno::AGAIN) => match self.way.wait(what) {
                    Ok(()) | Err(Errno::INTR) => {}
                    Err(errno) => return Err(CallError(errno)),
                },
                Err(Errno::CONNRESET) => return Err(CallError(Errno::PIPE)),
                other => return other.map_err(CallError),
            }
        }
    }
}

#[cfg(test)]
mod tests;
