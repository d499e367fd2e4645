//! Endpoints: what libfabric's `fid_ep` is here.

mod calls;
mod object;
mod operation;
mod peers;
mod progress;
mod receive;
mod remote;
mod remote_calls;
mod send;
mod state;

pub use object::open;
