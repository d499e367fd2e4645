//! The calls by which an application sends and receives: many forms of two things.

use core::ffi::c_void;

use super::receive::Receive;
use super::send::Send;
use super::state::{Endpoint, of};
use crate::abi::completion::Pointer;
use crate::abi::flags::{INJECT, REMOTE_CQ_DATA, SILENT};
use crate::abi::objects::{Fid, MessageOperations, TaggedOperations};
use crate::abi::operations::{IoVector, Message, TaggedMessage};

pub static MESSAGE: MessageOperations = MessageOperations {
    size: size_of::<MessageOperations>(),
    recv,
    recvv,
    recvmsg,
    send,
    sendv,
    sendmsg,
    inject,
    senddata,
    injectdata,
};

pub static TAGGED_CALLS: TaggedOperations = TaggedOperations {
    size: size_of::<TaggedOperations>(),
    recv: tagged_recv,
    recvv: tagged_recvv,
    recvmsg: tagged_recvmsg,
    send: tagged_send,
    sendv: tagged_sendv,
    sendmsg: tagged_sendmsg,
    inject: tagged_inject,
    senddata: tagged_senddata,
    injectdata: tagged_injectdata,
};

pub fn answer(begun: Result<(), i32>) -> isize {
    begun.map_or_else(|code| -(code as isize), |()| 0)
}

pub fn one(base: *const c_void, length: usize) -> [IoVector; 1] {
    let base = base.cast_mut();
    [IoVector { base, length }]
}

/// # Safety
/// There are `count` parts there, which stay for as long as `'a`.
pub unsafe fn several<'a>(parts: *const IoVector, count: usize) -> &'a [IoVector] {
    if count == 0 {
        return &[];
    }
    // SAFETY: promised by the caller.
    unsafe { core::slice::from_raw_parts(parts, count) }
}

/// Begins a send; `flags` are the call's own, or those of the endpoint.
///
/// # Safety
/// As for [`Endpoint::send`]; `endpoint` is open.
unsafe fn begin_send(endpoint: *mut Fid, flags: Option<u64>, send: Send<'_>) -> isize {
    // SAFETY: promised by the caller.
    let endpoint: &Endpoint = unsafe { of(endpoint) };
    let flags = flags.unwrap_or_else(|| endpoint.state().sends.flags);
    let send = Send { flags, ..send };
    // SAFETY: promised by the caller.
    answer(unsafe { endpoint.send(&send) })
}

/// Begins a receive; `flags` are the call's own, or those of the endpoint.
///
/// # Safety
/// As for [`Endpoint::receive`]; `endpoint` is open.
unsafe fn begin_receive(endpoint: *mut Fid, flags: Option<u64>, receive: Receive<'_>) -> isize {
    // SAFETY: promised by the caller.
    let endpoint: &Endpoint = unsafe { of(endpoint) };
    let flags = flags.unwrap_or_else(|| endpoint.state().receives.flags);
    let receive = Receive { flags, ..receive };
    // SAFETY: promised by the caller.
    answer(unsafe { endpoint.receive(&receive) })
}

pub fn carried(flags: u64, data: u64) -> Option<u64> {
    (flags & REMOTE_CQ_DATA != 0).then_some(data)
}

macro_rules! sends {
    ($(fn $name:ident($($argument:ident: $kind:ty),*)
        = $parts:expr, $to:expr, $tag:expr, $data:expr, $context:expr, $flags:expr;)*) => {$(
        unsafe extern "C" fn $name(endpoint: *mut Fid, $($argument: $kind),*) -> isize {
            // SAFETY: libfabric passes an open endpoint, and what its documentation says.
            unsafe {
                let send = Send {
                    parts: $parts,
                    to: $to,
                    tag: $tag,
                    data: $data,
                    context: Pointer($context),
                    flags: 0,
                };
                begin_send(endpoint, $flags, send)
            }
        }
    )*};
}

macro_rules! receives {
    ($(fn $name:ident($($argument:ident: $kind:ty),*)
        = $parts:expr, $from:expr, $tag:expr, $ignore:expr, $context:expr, $flags:expr;)*) => {$(
        unsafe extern "C" fn $name(endpoint: *mut Fid, $($argument: $kind),*) -> isize {
            // SAFETY: libfabric passes an open endpoint, and what its documentation says.
            unsafe {
                let receive = Receive {
                    parts: $parts,
                    from: $from,
                    tag: $tag,
                    ignore: $ignore,
                    context: Pointer($context),
                    flags: 0,
                };
                begin_receive(endpoint, $flags, receive)
            }
        }
    )*};
}

const NOBODY: *mut c_void = core::ptr::null_mut();

sends! {
    fn send(base: *const c_void, length: usize, _d: *mut c_void, to: u64, context: *mut c_void)
        = &one(base, length), to, None, None, context, None;
    fn sendv(parts: *const IoVector, _d: *mut *mut c_void, count: usize, to: u64, context: *mut c_void)
        = several(parts, count), to, None, None, context, None;
    fn sendmsg(message: *const Message, flags: u64)
        = several((*message).parts, (*message).count), (*message).address, None,
          carried(flags, (*message).data), (*message).context, Some(flags);
    fn inject(base: *const c_void, length: usize, to: u64)
        = &one(base, length), to, None, None, NOBODY, Some(INJECT | SILENT);
    fn senddata(base: *const c_void, length: usize, _d: *mut c_void, data: u64, to: u64, context: *mut c_void)
        = &one(base, length), to, None, Some(data), context, None;
    fn injectdata(base: *const c_void, length: usize, data: u64, to: u64)
        = &one(base, length), to, None, Some(data), NOBODY, Some(INJECT | SILENT);
    fn tagged_send(base: *const c_void, length: usize, _d: *mut c_void, to: u64, tag: u64, context: *mut c_void)
        = &one(base, length), to, Some(tag), None, context, None;
    fn tagged_sendv(parts: *const IoVector, _d: *mut *mut c_void, count: usize, to: u64, tag: u64, context: *mut c_void)
        = several(parts, count), to, Some(tag), None, context, None;
    fn tagged_sendmsg(message: *const TaggedMessage, flags: u64)
        = several((*message).parts, (*message).count), (*message).address, Some((*message).tag),
          carried(flags, (*message).data), (*message).context, Some(flags);
    fn tagged_inject(base: *const c_void, length: usize, to: u64, tag: u64)
        = &one(base, length), to, Some(tag), None, NOBODY, Some(INJECT | SILENT);
    fn tagged_senddata(base: *const c_void, length: usize, _d: *mut c_void, data: u64, to: u64, tag: u64, context: *mut c_void)
        = &one(base, length), to, Some(tag), Some(data), context, None;
    fn tagged_injectdata(base: *const c_void, length: usize, data: u64, to: u64, tag: u64)
        = &one(base, length), to, Some(tag), Some(data), NOBODY, Some(INJECT | SILENT);
}

receives! {
    fn recv(base: *mut c_void, length: usize, _d: *mut c_void, from: u64, context: *mut c_void)
        = &one(base, length), from, None, 0, context, None;
    fn recvv(parts: *const IoVector, _d: *mut *mut c_void, count: usize, from: u64, context: *mut c_void)
        = several(parts, count), from, None, 0, context, None;
    fn recvmsg(message: *const Message, flags: u64)
        = several((*message).parts, (*message).count), (*message).address, None, 0,
          (*message).context, Some(flags);
    fn tagged_recv(base: *mut c_void, length: usize, _d: *mut c_void, from: u64, tag: u64, ignore: u64, context: *mut c_void)
        = &one(base, length), from, Some(tag), ignore, context, None;
    fn tagged_recvv(parts: *const IoVector, _d: *mut *mut c_void, count: usize, from: u64, tag: u64, ignore: u64, context: *mut c_void)
        = several(parts, count), from, Some(tag), ignore, context, None;
    fn tagged_recvmsg(message: *const TaggedMessage, flags: u64)
        = several((*message).parts, (*message).count), (*message).address, Some((*message).tag),
          (*message).ignore, (*message).context, Some(flags);
}
