//! A xenstore in memory, for tests: the daemon's end of the ring, and a store behind it.

mod daemon;
mod store;

pub(crate) use daemon::Daemon;
pub use store::Store;
