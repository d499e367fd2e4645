//! The arguments of sends and receives (`rdma/fi_endpoint.h`, `rdma/fi_tagged.h`).

use core::ffi::c_void;

/// `struct iovec`: a part of a message.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct IoVector {
    pub base: *mut c_void,
    pub length: usize,
}

/// `struct fi_msg`.
#[repr(C)]
#[derive(Debug)]
pub struct Message {
    pub parts: *const IoVector,
    pub descriptors: *mut *mut c_void,
    pub count: usize,
    pub address: u64,
    pub context: *mut c_void,
    pub data: u64,
}

/// `struct fi_msg_tagged`.
#[repr(C)]
#[derive(Debug)]
pub struct TaggedMessage {
    pub parts: *const IoVector,
    pub descriptors: *mut *mut c_void,
    pub count: usize,
    pub address: u64,
    pub tag: u64,
    pub ignore: u64,
    pub context: *mut c_void,
    pub data: u64,
}
