//! libfabric's interface to a provider, as far as it is used here: `rdma/fabric.h` and the headers beside it, of version 1.17.
//! Later versions append to these structures, and look at `size` before they call what they have appended.

pub mod atomic;
pub mod completion;
pub mod fid;
pub mod flags;
pub mod info;
pub mod memory;
pub mod objects;
pub mod operations;
