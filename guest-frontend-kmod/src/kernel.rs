//! What the logic asks of the kernel. The module implements it over the C shim, the tests over a model that knows
//! which page is granted to whom.

use mx_ring::VolatileSlice;

use crate::lock::{Lock, LockName};
use crate::watch::Watched;

/// A domain of the Xen host.
pub type DomainId = u16;
/// A reference into this guest's grant table.
pub type GrantRef = u32;

/// What the other domain may do with a granted page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read.
    Read,
    /// Read and write.
    Write,
}

/// The kernel, as far as the logic needs it. Cheap to clone.
pub trait Kernel: Clone {
    /// A page of memory.
    type Page: Copy;
    /// An address space.
    type Space: Copy + PartialEq;
    /// A watch over pinned memory of a process.
    type Watch: AsRef<Watched>;
    /// A lock around a value.
    type Lock<T>: Lock<T>;

    /// Puts a value behind a lock.
    fn lock<T>(&self, name: LockName, value: T) -> Self::Lock<T>;

    /// Allocates `count` adjacent zeroed pages (a power of two, at most 4) and hands each to `keep`; false, and none,
    /// when memory is short.
    fn allocate(&self, count: usize, keep: impl FnMut(Self::Page)) -> bool;
    /// Frees a page of [`Self::allocate`].
    fn free(&self, page: Self::Page);
    /// Ends the pin of a page of the process, which the backend may have written.
    fn unpin(&self, page: Self::Page, written: bool);
    /// Ends the accounting of `pages` pinned pages to a space.
    fn unaccount(&self, space: Self::Space, pages: usize);
    /// Ends a watch: no notifier touches it any more. May sleep.
    fn end_watch(&self, watch: Self::Watch);
    /// The bytes of `count` adjacent allocated pages. They stay mapped until they are freed.
    fn slice(&self, first: Self::Page, count: usize) -> VolatileSlice;
    /// Grants a page; `None` when the grant table is full.
    fn grant(&self, domain: DomainId, page: Self::Page, access: Access) -> Option<GrantRef>;
    /// Ends a grant, unless the other domain still maps the page: then false.
    fn end_grant(&self, reference: GrantRef) -> bool;
    /// Leaves a grant to the kernel, which ends it when the other domain lets go and holds the page until then.
    fn leave_grant(&self, reference: GrantRef);
    /// Has the deferred unmaps looked at soon.
    fn look_at_deferred_unmaps(&self);
    /// Sends the event of a board's channel.
    fn notify(&self, board: usize);
    /// Wakes the callers that wait for an answer of a board's backend.
    fn wake_callers(&self, board: usize);
    /// Makes the sleepers of an endpoint return.
    fn wake_sleepers(&self, board: usize, endpoint: u8);
}
