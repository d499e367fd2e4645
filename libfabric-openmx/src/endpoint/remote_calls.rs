//! The calls by which an application reads and writes another process's memory: many forms of two things.

use core::ffi::c_void;

use super::calls::{answer, carried, one, several};
use super::remote::Transfer;
use super::state::{Endpoint, of};
use crate::abi::completion::Pointer;
use crate::abi::flags::{INJECT, SILENT, code};
use crate::abi::memory::{RemoteMessage, RemoteOperations};
use crate::abi::objects::Fid;
use crate::abi::operations::IoVector;

pub static REMOTE_CALLS: RemoteOperations = RemoteOperations {
    size: size_of::<RemoteOperations>(),
    read,
    readv,
    readmsg,
    write,
    writev,
    writemsg,
    inject,
    writedata,
    injectdata,
};

/// Begins an operation; `flags` are the call's own, or those of the endpoint.
///
/// # Safety
/// As for [`Endpoint::transfer`]; `endpoint` is open.
unsafe fn begin(
    endpoint: *mut Fid,
    writes: bool,
    flags: Option<u64>,
    transfer: Transfer<'_>,
) -> isize {
    // SAFETY: promised by the caller.
    let endpoint: &Endpoint = unsafe { of(endpoint) };
    if !endpoint.remote {
        return -(code::EOPNOTSUPP as isize);
    }
    let flags = flags.unwrap_or_else(|| endpoint.state().sends.flags);
    let transfer = Transfer { flags, ..transfer };
    // SAFETY: promised by the caller.
    answer(unsafe { endpoint.transfer(writes, &transfer) })
}

macro_rules! transfers {
    ($(fn $name:ident($($argument:ident: $kind:ty),*)
        = $writes:expr, $parts:expr, $data:expr;)*) => {$(
        unsafe extern "C" fn $name(
            endpoint: *mut Fid,
            $($argument: $kind,)*
            peer: u64,
            begin_at: u64,
            key: u64,
            context: *mut c_void,
        ) -> isize {
            // SAFETY: libfabric passes an open endpoint, and what its documentation says.
            unsafe {
                let transfer = Transfer {
                    parts: $parts,
                    peer,
                    key,
                    begin: begin_at,
                    data: $data,
                    context: Pointer(context),
                    flags: 0,
                };
                begin(endpoint, $writes, None, transfer)
            }
        }
    )*};
}

transfers! {
    fn read(base: *mut c_void, length: usize, _d: *mut c_void)
        = false, &one(base, length), None;
    fn readv(parts: *const IoVector, _d: *mut *mut c_void, count: usize)
        = false, several(parts, count), None;
    fn write(base: *mut c_void, length: usize, _d: *mut c_void)
        = true, &one(base, length), None;
    fn writev(parts: *const IoVector, _d: *mut *mut c_void, count: usize)
        = true, several(parts, count), None;
    fn writedata(base: *mut c_void, length: usize, _d: *mut c_void, data: u64)
        = true, &one(base, length), Some(data);
}

/// # Safety
/// As libfabric's calls with an `fi_msg_rma`.
unsafe fn begin_message(
    endpoint: *mut Fid,
    writes: bool,
    message: *const RemoteMessage,
    flags: u64,
) -> isize {
    // SAFETY: promised by the caller.
    unsafe {
        let message = &*message;
        if message.remote_count != 1 {
            return -(code::EINVAL as isize);
        }
        let remote = message.remote.read();
        let transfer = Transfer {
            parts: several(message.parts, message.count),
            peer: message.address,
            key: remote.key,
            begin: remote.address,
            data: carried(flags, message.data),
            context: Pointer(message.context),
            flags: 0,
        };
        begin(endpoint, writes, Some(flags), transfer)
    }
}

unsafe extern "C" fn readmsg(
    endpoint: *mut Fid,
    message: *const RemoteMessage,
    flags: u64,
) -> isize {
    // SAFETY: libfabric passes an open endpoint, and what its documentation says.
    unsafe { begin_message(endpoint, false, message, flags) }
}

unsafe extern "C" fn writemsg(
    endpoint: *mut Fid,
    message: *const RemoteMessage,
    flags: u64,
) -> isize {
    // SAFETY: libfabric passes an open endpoint, and what its documentation says.
    unsafe { begin_message(endpoint, true, message, flags) }
}

/// # Safety
/// As libfabric's `fi_inject_write`.
unsafe fn begin_inject(
    endpoint: *mut Fid,
    part: IoVector,
    data: Option<u64>,
    peer: u64,
    begin_at: u64,
    key: u64,
) -> isize {
    let transfer = Transfer {
        parts: &[part],
        peer,
        key,
        begin: begin_at,
        data,
        context: Pointer::NULL,
        flags: 0,
    };
    // SAFETY: promised by the caller.
    unsafe { begin(endpoint, true, Some(INJECT | SILENT), transfer) }
}

unsafe extern "C" fn inject(
    endpoint: *mut Fid,
    base: *mut c_void,
    length: usize,
    peer: u64,
    begin_at: u64,
    key: u64,
) -> isize {
    // SAFETY: libfabric passes an open endpoint, and what its documentation says.
    unsafe {
        begin_inject(
            endpoint,
            IoVector { base, length },
            None,
            peer,
            begin_at,
            key,
        )
    }
}

unsafe extern "C" fn injectdata(
    endpoint: *mut Fid,
    base: *mut c_void,
    length: usize,
    data: u64,
    peer: u64,
    begin_at: u64,
    key: u64,
) -> isize {
    // SAFETY: as above.
    unsafe {
        begin_inject(
            endpoint,
            IoVector { base, length },
            Some(data),
            peer,
            begin_at,
            key,
        )
    }
}
