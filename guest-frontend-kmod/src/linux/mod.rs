//! The module itself: the logic over the kernel, through the C shim. All unsafe code of the crate is here.

mod boards;
mod calls;
mod file;
mod kernel;
mod lock;
mod map;
mod page;
mod raw;
mod runtime;
mod shim;
mod sleep;
mod sleepers;
mod state;
mod sweep;
mod watch;
