//! What every object begins with, and what every object does.

use core::ffi::{c_int, c_void};

use super::flags::code;

/// What stands where a function is not provided: libfabric calls it all the same.
pub type Unsupported = unsafe extern "C" fn() -> isize;

/// Refuses; its caller's arguments are of no interest.
pub unsafe extern "C" fn unsupported() -> isize {
    -(code::ENOSYS as isize)
}

/// `struct fid`.
#[repr(C)]
#[derive(Debug)]
pub struct Fid {
    pub class: usize,
    pub context: *mut c_void,
    pub operations: *const FidOperations,
}

/// `struct fi_ops`: what every object does.
#[repr(C)]
#[derive(Debug)]
pub struct FidOperations {
    pub size: usize,
    pub close: unsafe extern "C" fn(*mut Fid) -> c_int,
    pub bind: unsafe extern "C" fn(*mut Fid, *mut Fid, u64) -> c_int,
    pub control: unsafe extern "C" fn(*mut Fid, c_int, *mut c_void) -> c_int,
    pub ops_open: Unsupported,
    pub tostr: Unsupported,
    pub ops_set: Unsupported,
}

/// Binds nothing.
pub unsafe extern "C" fn bind_nothing(_: *mut Fid, _: *mut Fid, _: u64) -> c_int {
    -code::ENOSYS
}

/// Has no commands.
pub unsafe extern "C" fn control_nothing(_: *mut Fid, _: c_int, _: *mut c_void) -> c_int {
    -code::ENOSYS
}

impl FidOperations {
    /// Of an object that can only be closed.
    pub const fn closing(close: unsafe extern "C" fn(*mut Fid) -> c_int) -> Self {
        Self {
            size: size_of::<Self>(),
            close,
            bind: bind_nothing,
            control: control_nothing,
            ops_open: unsupported,
            tostr: unsupported,
            ops_set: unsupported,
        }
    }
}
