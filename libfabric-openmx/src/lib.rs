//! A provider of libfabric: what runs over libfabric, MPI above all, runs over Open-MX unmodified.
//!
//! libfabric loads it by its name, `libopenmx-fi.so`, and finds [`fi_prov_ini`]. An endpoint of libfabric is one of
//! `open-mx`, a domain is a board, and an address is that of a board with the number of an endpoint on it. Messages with
//! and without tags, receives of one peer, of several messages, and probes are the library's own, by match info. Progress
//! is made in calls only.
//!
//! | file | what |
//! |---|---|
//! | `abi` | libfabric's structures and numbers |
//! | `offer` | what an application is offered for what it needs |
//! | `fabric`, `domain`, `vector`, `queue`, `counter` | the objects of those names |
//! | `shared_vector` | addresses that processes share |
//! | `region` | memory that others may read and write |
//! | `atomic` | what atomic operations make of values there |
//! | `endpoint` | sends, receives, reads, writes, atomic operations, and how they complete |
//! | `match_info` | how tag, data and kind share match info |
//! | `endpoints` | whose progress is made when somebody looks at a queue |
//! | `wait` | a descriptor that a queue makes readable |
//! | `memory` | memory of messages |
//! | `warning` | what is said when there is no board |
//! | `address`, `board`, `error`, `handle` | addresses; names of boards; codes; objects as C holds them |
//!
//! It refuses what the protocol has not: collectives, and messages of 4 GiB.

mod abi;
mod address;
mod atomic;
mod board;
mod counter;
mod domain;
mod endpoint;
mod endpoints;
mod error;
mod fabric;
mod handle;
mod match_info;
mod memory;
mod offer;
mod queue;
mod region;
mod shared_vector;
mod vector;
mod wait;
mod warning;

use abi::flags::version;
use abi::info::Provider;

/// The provider as libfabric keeps it: it writes into its context.
struct Shared(std::cell::UnsafeCell<Provider>);

// SAFETY: only libfabric uses it, which keeps its threads apart.
unsafe impl Sync for Shared {}

static PROVIDER: Shared = Shared(std::cell::UnsafeCell::new(Provider {
    version: offer::VERSION,
    // libfabric takes a provider of its own version or a later one; later ones take none of before their own.
    fabric_version: version(2, 9),
    context: [core::ptr::null_mut(); 4],
    name: c"openmx".as_ptr(),
    get_info: offer::get_info,
    fabric: fabric::open,
    cleanup,
}));

extern "C" fn cleanup() {}

/// The provider, for the libfabric that has loaded it.
#[unsafe(no_mangle)]
pub extern "C" fn fi_prov_ini() -> *mut core::ffi::c_void {
    PROVIDER.0.get().cast()
}
