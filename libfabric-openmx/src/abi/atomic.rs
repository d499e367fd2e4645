//! Atomic operations on another process's memory (`rdma/fi_atomic.h`).

use core::ffi::{c_int, c_void};

use super::fid::Fid;

/// `struct fi_ioc`: a part of an operation's values.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CountVector {
    pub base: *mut c_void,
    pub count: usize,
}

/// `struct fi_rma_ioc`: values of another process.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RemoteCountVector {
    pub address: u64,
    pub count: usize,
    pub key: u64,
}

/// `struct fi_msg_atomic`.
#[repr(C)]
#[derive(Debug)]
pub struct AtomicMessage {
    pub parts: *const CountVector,
    pub descriptors: *mut *mut c_void,
    pub count: usize,
    pub address: u64,
    pub remote: *const RemoteCountVector,
    pub remote_count: usize,
    pub datatype: u32,
    pub operation: u32,
    pub context: *mut c_void,
    pub data: u64,
}

/// `struct fi_atomic_attr`.
#[repr(C)]
#[derive(Debug)]
pub struct AtomicAttributes {
    pub count: usize,
    pub size: usize,
}

type Valid = unsafe extern "C" fn(*mut Fid, u32, u32, *mut usize) -> c_int;

/// `struct fi_ops_atomic`.
#[repr(C)]
#[derive(Debug)]
pub struct AtomicOperations {
    pub size: usize,
    pub write: unsafe extern "C" fn(
        *mut Fid,
        *mut c_void,
        usize,
        *mut c_void,
        u64,
        u64,
        u64,
        u32,
        u32,
        *mut c_void,
    ) -> isize,
    pub writev: unsafe extern "C" fn(
        *mut Fid,
        *const CountVector,
        *mut *mut c_void,
        usize,
        u64,
        u64,
        u64,
        u32,
        u32,
        *mut c_void,
    ) -> isize,
    pub writemsg: unsafe extern "C" fn(*mut Fid, *const AtomicMessage, u64) -> isize,
    pub inject:
        unsafe extern "C" fn(*mut Fid, *mut c_void, usize, u64, u64, u64, u32, u32) -> isize,
    pub readwrite: unsafe extern "C" fn(
        *mut Fid,
        *mut c_void,
        usize,
        *mut c_void,
        *mut c_void,
        *mut c_void,
        u64,
        u64,
        u64,
        u32,
        u32,
        *mut c_void,
    ) -> isize,
    pub readwritev: unsafe extern "C" fn(
        *mut Fid,
        *const CountVector,
        *mut *mut c_void,
        usize,
        *const CountVector,
        *mut *mut c_void,
        usize,
        u64,
        u64,
        u64,
        u32,
        u32,
        *mut c_void,
    ) -> isize,
    pub readwritemsg: unsafe extern "C" fn(
        *mut Fid,
        *const AtomicMessage,
        *const CountVector,
        *mut *mut c_void,
        usize,
        u64,
    ) -> isize,
    pub compwrite: unsafe extern "C" fn(
        *mut Fid,
        *mut c_void,
        usize,
        *mut c_void,
        *mut c_void,
        *mut c_void,
        *mut c_void,
        *mut c_void,
        u64,
        u64,
        u64,
        u32,
        u32,
        *mut c_void,
    ) -> isize,
    pub compwritev: unsafe extern "C" fn(
        *mut Fid,
        *const CountVector,
        *mut *mut c_void,
        usize,
        *const CountVector,
        *mut *mut c_void,
        usize,
        *const CountVector,
        *mut *mut c_void,
        usize,
        u64,
        u64,
        u64,
        u32,
        u32,
        *mut c_void,
    ) -> isize,
    pub compwritemsg: unsafe extern "C" fn(
        *mut Fid,
        *const AtomicMessage,
        *const CountVector,
        *mut *mut c_void,
        usize,
        *const CountVector,
        *mut *mut c_void,
        usize,
        u64,
    ) -> isize,
    pub writevalid: Valid,
    pub readwritevalid: Valid,
    pub compwritevalid: Valid,
}
