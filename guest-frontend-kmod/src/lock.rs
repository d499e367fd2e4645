//! The locks, what each covers, and their order.
//!
//! | lock | covers | taken by |
//! |---|---|---|
//! | [`LockName::Endpoint`], one for each index of each board | the endpoint there, its state and regions | its process's calls, `mmap`, the end of its address space; the work that takes answers, the work that sweeps |
//! | [`LockName::Link`], one for each board | the control ring and staging pages of its backend, what waits for room there, the raw endpoint, a change under way | posting a request, taking an answer, attaching and detaching, calls of the raw endpoint |
//! | [`LockName::Shared`] | what users hold, the list of deferred unmaps | whoever takes or gives back pages |
//!
//! A thread takes them in this order, and two of the same kind never: so none waits for another in a circle. Sending and
//! receiving sleepers touch the lock of their own endpoint alone; a registration of many pages in one process delays
//! nobody else.
//!
//! # What may happen under a lock
//!
//! Nothing that waits for a process or for the backend: who needs an answer releases everything and sleeps, killable,
//! until some answer has come, then looks again ([`core::task::Poll::Pending`]). Pinning, granting and giving back
//! pages, copying from and to the caller, inserting and removing notifiers happen without a lock; what a successor of the
//! backend is granted is granted under the endpoint's, a bounded number of pages at a time.
//!
//! # The kernel's own locks around them
//!
//! * `mmap_lock`, before ours: the kernel holds it while `mmap` inserts an endpoint's pages under its lock. So nothing
//!   under a lock of ours may take it; what does (pinning, inserting a notifier, a fault in the caller's memory) is
//!   among the things that happen without one.
//! * The notifiers' read side, before ours: an address space that ends closes its endpoints. Removing a notifier waits for that
//!   side, and happens without a lock.
//! * Memory allocation, after ours: under a lock it may reclaim pages, which calls our interval notifiers; they only write
//!   to memory and schedule work, and take none of our locks. `shrink` and file systems never come to us.
//! * Wait queues, work queues, the grant table, after ours: spinlocks whose holders call nobody.
//! * The interrupt handler takes none of ours: it wakes sleepers and schedules the work ([`crate::InterruptView`]).
//!
//! The model of the tests refuses each acquisition that is out of order; the module gives each kind a lock class of its own,
//! so that a kernel with lockdep holds the whole to it.

/// Which lock. Its order is the order in which a thread may take locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockName {
    /// An endpoint's.
    Endpoint {
        /// Which board.
        board: usize,
        /// Which endpoint.
        index: u8,
    },
    /// The one of a board's link.
    Link {
        /// Which board.
        board: usize,
    },
    /// The one of what all boards share.
    Shared,
}

impl LockName {
    /// Of two locks with the same rank a thread takes one.
    pub fn rank(self) -> u8 {
        match self {
            Self::Endpoint { .. } => 0,
            Self::Link { .. } => 1,
            Self::Shared => 2,
        }
    }
}

/// A value that one thread at a time uses.
pub trait Lock<T> {
    /// Runs `work` on the value; nobody else does meanwhile. `work` takes no lock that [`LockName`] puts before this one.
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R;
}
