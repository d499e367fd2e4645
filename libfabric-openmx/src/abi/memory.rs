//! Registered memory, and operations on another process's (`rdma/fi_domain.h`, `rdma/fi_rma.h`).

use core::ffi::{c_int, c_void};

use super::fid::Fid;
use super::operations::IoVector;

/// `struct fi_mr_attr`, as far as all versions have it.
#[repr(C)]
#[derive(Debug)]
pub struct MemoryAttributes {
    pub parts: *const IoVector,
    pub count: usize,
    pub access: u64,
    pub offset: u64,
    pub requested_key: u64,
    pub context: *mut c_void,
}

/// `struct fid_mr`.
#[repr(C)]
#[derive(Debug)]
pub struct MemoryObject {
    pub fid: Fid,
    pub descriptor: *mut c_void,
    pub key: u64,
}

/// `struct fi_ops_mr`.
#[repr(C)]
#[derive(Debug)]
pub struct MemoryOperations {
    pub size: usize,
    pub register: unsafe extern "C" fn(
        *mut Fid,
        *const c_void,
        usize,
        u64,
        u64,
        u64,
        u64,
        *mut *mut Fid,
        *mut c_void,
    ) -> c_int,
    pub register_parts: unsafe extern "C" fn(
        *mut Fid,
        *const IoVector,
        usize,
        u64,
        u64,
        u64,
        u64,
        *mut *mut Fid,
        *mut c_void,
    ) -> c_int,
    pub register_attributes:
        unsafe extern "C" fn(*mut Fid, *const MemoryAttributes, u64, *mut *mut Fid) -> c_int,
}

/// `struct fi_rma_iov`: memory of another process.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RemoteVector {
    pub address: u64,
    pub length: usize,
    pub key: u64,
}

/// `struct fi_msg_rma`.
#[repr(C)]
#[derive(Debug)]
pub struct RemoteMessage {
    pub parts: *const IoVector,
    pub descriptors: *mut *mut c_void,
    pub count: usize,
    pub address: u64,
    pub remote: *const RemoteVector,
    pub remote_count: usize,
    pub context: *mut c_void,
    pub data: u64,
}

type OfBuffer = unsafe extern "C" fn(
    *mut Fid,
    *mut c_void,
    usize,
    *mut c_void,
    u64,
    u64,
    u64,
    *mut c_void,
) -> isize;
type OfParts = unsafe extern "C" fn(
    *mut Fid,
    *const IoVector,
    *mut *mut c_void,
    usize,
    u64,
    u64,
    u64,
    *mut c_void,
) -> isize;
type OfMessage = unsafe extern "C" fn(*mut Fid, *const RemoteMessage, u64) -> isize;

/// `struct fi_ops_rma`.
#[repr(C)]
#[derive(Debug)]
pub struct RemoteOperations {
    pub size: usize,
    pub read: OfBuffer,
    pub readv: OfParts,
    pub readmsg: OfMessage,
    pub write: OfBuffer,
    pub writev: OfParts,
    pub writemsg: OfMessage,
    pub inject: unsafe extern "C" fn(*mut Fid, *mut c_void, usize, u64, u64, u64) -> isize,
    pub writedata: unsafe extern "C" fn(
        *mut Fid,
        *mut c_void,
        usize,
        *mut c_void,
        u64,
        u64,
        u64,
        u64,
        *mut c_void,
    ) -> isize,
    pub injectdata: unsafe extern "C" fn(*mut Fid, *mut c_void, usize, u64, u64, u64, u64) -> isize,
}
