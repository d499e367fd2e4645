//! Closing what clients share with the node: a close may wait as long as a client likes.
//!
//! A TCP socket lingers, a file of a FUSE file system asks the process that serves it; a connection that is closed closes
//! what lies in it unread; and whoever lets go of some gigabytes of memory last spends a second on freeing them. So none of
//! it happens on the node's own thread, but for little memory, which is no trouble.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mx_ring::heap;
use mx_ring::mapping::freed_at_last;
use rustix::fs::fcntl_get_seals;
use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown};

/// Of a thread that only closes.
const STACK: usize = 64 << 10;
/// Bytes that are freed within a millisecond.
const LITTLE: u64 = 32 << 20;
/// Memory that must be there for a thread: one that finds none for its second stack, on which signals are handled, panics. So
/// much the allocator always asks the kernel for, and takes it from nothing that it has.
const ROOM: usize = 33 << 20;

/// What is being closed.
#[derive(Clone, Default)]
pub struct Closing {
    /// Threads at it, by the user whom they do it for.
    threads: Arc<Mutex<BTreeMap<u32, usize>>>,
}

impl Closing {
    fn threads(&self) -> MutexGuard<'_, BTreeMap<u32, usize>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes that are under way for a user.
    pub fn count(&self, uid: u32) -> usize {
        self.threads().get(&uid).copied().unwrap_or(0)
    }

    /// Ends a connection: the other side sees it at once.
    pub fn hang_up(&self, uid: u32, connection: OwnedFd) {
        // It may have ended from the other side.
        let _ = shutdown(&connection, Shutdown::Both);
        self.apart(uid, vec![connection]);
    }

    /// Closes descriptors that came with a call; whether all of them were memory, as they should be, as far as the kernel
    /// tells.
    pub fn close(&self, uid: u32, descriptors: Vec<OwnedFd>) -> bool {
        let mut fine = true;
        // Only memory has seals, and asking for them asks nobody else.
        let (memory, others): (Vec<_>, Vec<_>) = descriptors.into_iter().partition(|descriptor| {
            let seals = fcntl_get_seals(descriptor);
            fine &= seals.err() != Some(Errno::INVAL);
            seals.is_ok()
        });
        let bytes = memory.iter().map(freed_at_last);
        let bytes = bytes.fold(0, u64::saturating_add);
        self.free(uid, memory, bytes);
        if !others.is_empty() {
            self.apart(uid, others);
        }
        fine
    }

    /// Lets go of memory, of which there are so many bytes at most.
    pub fn free(&self, uid: u32, memory: impl Send + 'static, bytes: u64) {
        if bytes > LITTLE {
            self.apart(uid, memory);
        }
    }

    /// Drops what closes something, on a thread of its own.
    fn apart(&self, uid: u32, closed: impl Send + 'static) {
        *self.threads().entry(uid).or_default() += 1;
        let counted = Counted(self.clone(), uid);
        let closing = move || {
            drop(closed);
            drop(counted);
        };
        // Without a thread they are closed here: that is what dropping does.
        if heap::has_room(ROOM) {
            let _ = std::thread::Builder::new().stack_size(STACK).spawn(closing);
        }
    }
}

/// A thread that is counted while it lives.
struct Counted(Closing, u32);

impl Drop for Counted {
    fn drop(&mut self) {
        let mut threads = self.0.threads();
        if let Some(count) = threads.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                threads.remove(&self.1);
            }
        }
    }
}
