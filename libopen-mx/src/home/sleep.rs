//! Sleeping on several channels at once.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::clock;

/// When to look again at what cannot be polled.
const BLIND: Duration = Duration::from_millis(1);

/// What tells that something has happened at a channel's endpoint.
pub struct Signals<'a> {
    /// An eventfd that is to be emptied.
    pub bell: BorrowedFd<'a>,
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
            // More descriptors than the process may poll, or no memory for them: looks now and then.
            std::thread::sleep(BLIND);
            return slept;
        }
    }
    for (place, watched) in watched.chunks_exact(2).enumerate() {
        if watched[0].revents().contains(PollFlags::IN) {
            // Takes all signals at once.
            let _ = rustix::io::read(watched[0].as_fd(), &mut [0; 8]);
        }
        if watched[1]
            .revents()
            .intersects(PollFlags::HUP | PollFlags::ERR)
        {
            slept.gone.push(place);
        }
    }
    slept
}
