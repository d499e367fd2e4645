//! Endpoints: what libfabric's `fid_ep` is here.

mod beside;
mod calls;
mod codes;
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
