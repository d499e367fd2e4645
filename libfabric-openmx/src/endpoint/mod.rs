//! Endpoints: what libfabric's `fid_ep` is here.

mod atomic;
mod atomic_calls;
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
mod request;
mod send;
mod state;

pub use object::open;
