//! Sleeping on several channels at once.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::RecvFlags;

use crate::clock;

/// When to look again at what cannot be polled.
const BLIND: Duration = Duration::from_millis(1);

/// What tells that something has happened at a channel's endpoint.
pub struct Signals<'a> {
    /// An eventfd that is to be emptied.
    pub bell: BorrowedFd<'a>,
    /// A stream socket that is to be emptied, too, if the backend wakes the process by one.
    pub bytes: Option<BorrowedFd<'a>>,
    /// A descriptor that hangs up when the other side goes.
    pub line: BorrowedFd<'a>,
    /// Whether the line also tells of events, by being readable.
    pub line_tells: bool,
}

/// How a sleep ended.
#[derive(Debug, Default)]
pub struct Slept {
    /// By a signal.
    pub interrupted: bool,
    /// Places of those whose other side is gone.
    pub gone: Vec<usize>,
}

/// Sleeps where there is no polling: more descriptors than the process may poll, or no memory for them.
pub fn blink() {
    std::thread::sleep(BLIND);
}

/// Sleeps until something has happened at one of these endpoints, or the deadline (CLOCK_MONOTONIC). May return early.
pub fn sleep_on_all(all: &[Signals<'_>], deadline: Option<Duration>) -> Slept {
    let mut watched = Vec::new();
    for signals in all {
        let tells = if signals.line_tells {
            PollFlags::IN
        } else {
            PollFlags::empty()
        };
        watched.push(PollFd::from_borrowed_fd(signals.bell, PollFlags::IN));
        let bytes = signals.bytes.unwrap_or(signals.bell);
        watched.push(PollFd::from_borrowed_fd(bytes, PollFlags::IN));
        watched.push(PollFd::from_borrowed_fd(signals.line, tells));
    }
    let timeout = deadline
        .map(|at| at.saturating_sub(clock::now()))
        .and_then(|left| Timespec::try_from(left).ok());
    let mut slept = Slept::default();
    match poll(&mut watched, timeout.as_ref()) {
        Ok(_) => {}
        Err(Errno::INTR) => {
            slept.interrupted = true;
            return slept;
        }
        Err(_) => {
            blink();
            return slept;
        }
    }
    for ((place, watched), signals) in watched.chunks_exact(3).enumerate().zip(all) {
        let [bell, bytes, line] = [0, 1, 2].map(|which: usize| watched[which].revents());
        // Takes all signals at once. Nothing there: another thread has taken them.
        if bell.contains(PollFlags::IN) {
            let _ = rustix::io::read(signals.bell, &mut [0; 8]);
        }
        if bytes.contains(PollFlags::IN)
            && let Some(socket) = signals.bytes
        {
            let _ = rustix::net::recv(socket, &mut [0; 64][..], RecvFlags::DONTWAIT);
        }
        if (bytes | line).intersects(PollFlags::HUP | PollFlags::ERR) {
            slept.gone.push(place);
        }
    }
    slept
}
