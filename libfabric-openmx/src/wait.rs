//! A descriptor that an application polls with others of its own: readable when a queue may have something.

use core::ffi::c_int;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// The descriptor, and what it waits for besides the endpoints.
#[derive(Debug)]
pub struct WaitDescriptor {
    poll: OwnedFd,
    /// Rings when another thread has found what the sleeper waits for.
    bell: OwnedFd,
    /// Rings when an endpoint has something to do, like sending again.
    timer: OwnedFd,
    /// Somebody may sleep.
    armed: AtomicBool,
}

impl WaitDescriptor {
    pub fn new() -> rustix::io::Result<Self> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        for descriptor in [&bell, &timer] {
            let data = epoll::EventData::new_u64(0);
            epoll::add(&poll, descriptor, data, epoll::EventFlags::IN)?;
        }
        Ok(Self {
            poll,
            bell,
            timer,
            armed: AtomicBool::new(false),
        })
    }

    /// What endpoints add themselves to.
    pub fn poll(&self) -> BorrowedFd<'_> {
        self.poll.as_fd()
    }

    /// The number that applications poll.
    pub fn number(&self) -> c_int {
        self.poll.as_raw_fd()
    }

    /// Whoever sleeps wakes.
    pub fn ring(&self) {
        if self.armed.swap(false, Ordering::SeqCst) {
            // One whose count is full rings already.
            let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
        }
    }

    /// From now on somebody may sleep: what rang before is old.
    pub fn arm(&self) {
        for descriptor in [&self.bell, &self.timer] {
            // It has not rung.
            let _ = rustix::io::read(descriptor, &mut [0; 8]);
        }
        self.armed.store(true, Ordering::SeqCst);
    }

    /// Rings by itself at that time (CLOCK_MONOTONIC), or does not.
    pub fn ring_at(&self, time: Option<Duration>) {
        let never = Timespec::default();
        // A time of zero would be no time.
        let time = time.map(|time| time.max(Duration::from_nanos(1)));
        let value = time.and_then(|time| Timespec::try_from(time).ok());
        let setting = Itimerspec {
            it_interval: never,
            it_value: value.unwrap_or(never),
        };
        // It is a timer, and the time is one.
        let _ = timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &setting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, poll};

    fn rings(descriptor: &WaitDescriptor, milliseconds: i64) -> bool {
        let time = Timespec {
            tv_sec: 0,
            tv_nsec: milliseconds * 1_000_000,
        };
        let mut watched = [PollFd::from_borrowed_fd(descriptor.poll(), PollFlags::IN)];
        poll(&mut watched, Some(&time)).unwrap() == 1
    }

    #[test]
    fn it_rings_for_a_sleeper_alone_and_until_it_is_armed_again() {
        let descriptor = WaitDescriptor::new().unwrap();
        descriptor.ring();
        assert!(!rings(&descriptor, 0), "nobody sleeps");
        descriptor.arm();
        assert!(!rings(&descriptor, 0));
        descriptor.ring();
        assert!(rings(&descriptor, 0));
        descriptor.arm();
        assert!(!rings(&descriptor, 0), "what rang is old");
    }

    #[test]
    fn it_rings_by_itself_when_its_time_has_come() {
        let descriptor = WaitDescriptor::new().unwrap();
        descriptor.ring_at(Some(Duration::ZERO));
        assert!(rings(&descriptor, 900));
        descriptor.arm();
        descriptor.ring_at(None);
        assert!(!rings(&descriptor, 20));
    }
}
