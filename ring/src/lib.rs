#![no_std]
#![deny(
    unsafe_op_in_unsafe_fn,
    clippy::undocumented_unsafe_blocks,
    missing_docs
)]
//! The memory that a guest and its driver domain share, and the only code that reads or writes it.
//!
//! Three parties use this crate, so that the ABI exists once: the *process* (through `libopen-mx`), its *kernel*
//! (the frontend module, or `omxd` on a plain Linux), and the *backend* of the board (the driver domain, or `omxd`).
//! One party writes a page, the others read it:
//!
//! | class | written by | read by |
//! |---|---|---|
//! | W | the process | the backend |
//! | R | the backend | the process |
//! | K | kernel and backend, a page each | each other; never mapped into a process |
//!
//! What another party wrote is an allegation: it is copied once into private memory and checked, then used. No
//! reference into shared memory leaves this crate. It refuses to know what a message means.

#[cfg(any(feature = "std", loom))]
extern crate std;

pub mod admin;
mod backend;
pub mod board_page;
pub mod control;
#[cfg(not(loom))]
mod copy;
mod counter;
mod descriptor;
#[cfg(feature = "std")]
pub mod device;
#[cfg(feature = "fake")]
pub mod fake;
#[cfg(feature = "std")]
pub mod fork_guard;
#[cfg(feature = "std")]
pub mod heap;
pub mod inbox;
mod layout;
#[cfg(feature = "std")]
pub mod mapping;
#[cfg(not(loom))]
mod memory;
#[cfg(loom)]
#[path = "memory_loom.rs"]
mod memory;
mod message;
#[cfg(loom)]
pub mod model;
mod process;
pub mod registration;
mod seqlock;
pub mod sleep;
mod sync;
mod tsc;
pub mod uapi;
#[cfg(feature = "std")]
pub mod uapi_socket;
#[cfg(feature = "std")]
pub mod unshared;
pub mod warning;

pub use backend::{BackendSide, DeliverError, Room};
pub use counter::Counter;
pub use descriptor::{Descriptor, DescriptorError};
pub use layout::{
    EndpointLayout, GRANULE, Geometry, GeometryError, PAGE_SIZE, QUEUE_ENTRIES, QUEUE_ENTRIES_MAX,
    QUEUE_ENTRIES_MIN,
};
pub use memory::{VolatileSlice, VolatileSliceError};
pub use message::{
    Command, CommandBody, Destination, Event, EventBody, Farewell, Origin, Place, PullDone,
    PullOrder, PullStatus, Reach, RegionKey, Wanted, Window,
};
pub use process::{Positions, ProcessSide};
pub use tsc::tsc;

/// Version of everything in this crate. Both sides compare it for equality before they share a page.
pub const ABI_VERSION: u32 = 7;
