//! Endpoints: what libfabric's `fid_ep` is here.

mod calls;
mod object;
mod operation;
mod peers;
mod progress;
mod receive;
mod send;
mod state;

pub use object::open;
pub use operation::PARTS_MAX;
pub use send::INJECT_SIZE;
