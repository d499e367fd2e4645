//! Descriptors that end with their process, or when it executes another program, whatever children it has made by then: a
//! fork gives each child something else in their place.

use core::mem::ManuallyDrop;
use core::sync::atomic::{AtomicI32, Ordering};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::Once;

use rustix::event::epoll::{self, CreateFlags};
use rustix::io::DupFlags;

/// No descriptor.
const NONE: i32 = -1;

/// The numbers of those there are. What finds no room is inherited.
static KEPT: [AtomicI32; 1024] = [const { AtomicI32::new(NONE) }; 1024];

unsafe extern "C" {
    /// POSIX: calls the third in each child of a fork.
    fn pthread_atfork(
        prepare: Option<extern "C" fn()>,
        parent: Option<extern "C" fn()>,
        child: Option<extern "C" fn()>,
    ) -> i32;
}

/// Keeps a descriptor from children, until it is dropped, which must be before the descriptor is closed.
#[derive(Debug)]
pub struct Unshared(Option<&'static AtomicI32>);

impl Unshared {
    /// Of a descriptor that somebody else owns.
    pub fn of(descriptor: impl AsFd) -> Self {
        static PREPARED: Once = Once::new();
        PREPARED.call_once(|| {
            // SAFETY: the function makes system calls and reads atomic numbers only, as a child of a process with threads
            // may. A refusal for want of memory leaves everything as it was.
            let _refused = unsafe { pthread_atfork(None, None, Some(replace)) };
        });
        let number = descriptor.as_fd().as_raw_fd();
        let take = |place: &&AtomicI32| {
            let taken = place.compare_exchange(NONE, number, Ordering::Relaxed, Ordering::Relaxed);
            taken.is_ok()
        };
        Self(KEPT.iter().find(take))
    }
}

impl Drop for Unshared {
    fn drop(&mut self) {
        if let Some(place) = self.0 {
            place.store(NONE, Ordering::Relaxed);
        }
    }
}

/// In a child: what has the numbers now is good for nothing, and can be closed as the others would be.
extern "C" fn replace() {
    let Ok(nothing) = epoll::create(CreateFlags::CLOEXEC) else {
        return;
    };
    for place in &KEPT {
        let number = place.load(Ordering::Relaxed);
        if number != NONE {
            // SAFETY: a number in the table is of an open descriptor, whose owner keeps it: it is replaced in place, and
            // never closed here.
            let mut kept = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(number) });
            // A failure leaves the child with what its parent has.
            let _left = rustix::io::dup3(&nothing, &mut kept, DupFlags::CLOEXEC);
        }
    }
}
