//! Completions, as an application reads them, and what it asks of the queue (`rdma/fi_eq.h`).

use core::ffi::{c_int, c_void};

/// A pointer of the application's that is only handed back.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer(pub *mut c_void);

// SAFETY: it is never followed.
unsafe impl Send for Pointer {}
// SAFETY: as above.
unsafe impl Sync for Pointer {}

impl Pointer {
    /// To nothing.
    pub const NULL: Self = Self(core::ptr::null_mut());
}

/// `struct fi_cq_tagged_entry`: of the other formats each is the beginning of this one.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub context: Pointer,
    pub flags: u64,
    pub length: usize,
    pub buffer: Pointer,
    pub data: u64,
    pub tag: u64,
}

/// `struct fi_cq_err_entry`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ErrorEntry {
    pub entry: Entry,
    /// Bytes that had no room.
    pub overflow: usize,
    /// libfabric's code.
    pub error: c_int,
    /// The library's code.
    pub provider_error: c_int,
    pub error_data: Pointer,
    pub error_data_size: usize,
}

/// `struct fi_cq_attr`.
#[repr(C)]
#[derive(Debug)]
pub struct QueueAttributes {
    pub size: usize,
    pub flags: u64,
    pub format: u32,
    pub wait_object: u32,
    pub signaling_vector: c_int,
    pub wait_condition: u32,
    pub wait_set: *mut c_void,
}

/// `struct fi_cntr_attr`.
#[repr(C)]
#[derive(Debug)]
pub struct CounterAttributes {
    pub events: u32,
    pub wait_object: u32,
    pub wait_set: *mut c_void,
    pub flags: u64,
}

/// Bytes of an entry in each format.
pub fn entry_size(format: u32) -> usize {
    match format {
        0 | 1 => 8,
        2 => 24,
        3 => 40,
        _ => size_of::<Entry>(),
    }
}

/// The wait object that is a descriptor.
pub const WAIT_FD: u32 = 3;

/// A wait object that nobody sees from outside: none, or the provider's choice.
pub fn is_own_wait(object: u32) -> bool {
    object <= 1
}
