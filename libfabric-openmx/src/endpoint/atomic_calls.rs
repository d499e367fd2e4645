//! The calls by which an application changes another process's memory atomically: many forms of three things.

use core::ffi::{c_int, c_void};

use super::atomic::Change;
use super::calls::answer;
use super::state::{Endpoint, of};
use crate::abi::atomic::{AtomicMessage, AtomicOperations, CountVector};
use crate::abi::completion::Pointer;
use crate::abi::flags::{INJECT, REMOTE_CQ_DATA, SILENT, TAGGED, code};
use crate::abi::objects::Fid;
use crate::atomic::{Atomic, Form};

pub static ATOMIC_CALLS: AtomicOperations = AtomicOperations {
    size: size_of::<AtomicOperations>(),
    write,
    writev,
    writemsg,
    inject,
    readwrite,
    readwritev,
    readwritemsg,
    compwrite,
    compwritev,
    compwritemsg,
    writevalid,
    readwritevalid,
    compwritevalid,
};

/// What a call says besides its values.
struct Call {
    form: Form,
    peer: u64,
    begin: u64,
    key: u64,
    datatype: u32,
    operation: u32,
    context: *mut c_void,
    /// Its own, or those of the endpoint.
    flags: Option<u64>,
}

/// Values of a call: its own, those to compare with, and places for what was there.
struct Values<'a> {
    operands: &'a [CountVector],
    compares: &'a [CountVector],
    results: &'a [CountVector],
}

fn one(base: *mut c_void, count: usize) -> [CountVector; 1] {
    [CountVector { base, count }]
}

/// # Safety
/// There are `count` parts there, which stay for as long as `'a`.
unsafe fn several<'a>(parts: *const CountVector, count: usize) -> &'a [CountVector] {
    if count == 0 || parts.is_null() {
        return &[];
    }
    // SAFETY: promised by the caller.
    unsafe { core::slice::from_raw_parts(parts, count) }
}

/// Begins an operation.
///
/// # Safety
/// As for [`Endpoint::change`]; `endpoint` is open.
unsafe fn begin(endpoint: *mut Fid, call: &Call, values: &Values<'_>) -> isize {
    // SAFETY: promised by the caller.
    let endpoint: &Endpoint = unsafe { of(endpoint) };
    let atomic = Atomic::new(call.form, call.operation, call.datatype);
    let Some(atomic) = atomic.filter(|_| endpoint.atomic) else {
        return -(code::EOPNOTSUPP as isize);
    };
    let flags = call.flags.unwrap_or_else(|| endpoint.state().sends.flags);
    let change = Change {
        atomic,
        operands: values.operands,
        compares: values.compares,
        results: values.results,
        peer: call.peer,
        key: call.key,
        begin: call.begin,
        context: Pointer(call.context),
        flags,
    };
    // SAFETY: promised by the caller.
    answer(unsafe { endpoint.change(&change) })
}

/// # Safety
/// As libfabric's calls with an `fi_msg_atomic`.
unsafe fn begin_message(
    endpoint: *mut Fid,
    form: Form,
    message: *const AtomicMessage,
    compares: &[CountVector],
    results: &[CountVector],
    flags: u64,
) -> isize {
    // Neither buffers with a tag nor data are of these operations here.
    if flags & (TAGGED | REMOTE_CQ_DATA) != 0 {
        return -(code::EOPNOTSUPP as isize);
    }
    // SAFETY: promised by the caller.
    unsafe {
        let message = &*message;
        if message.remote_count != 1 {
            return -(code::EINVAL as isize);
        }
        let remote = message.remote.read();
        let call = Call {
            form,
            peer: message.address,
            begin: remote.address,
            key: remote.key,
            datatype: message.datatype,
            operation: message.operation,
            context: message.context,
            flags: Some(flags),
        };
        let values = Values {
            operands: several(message.parts, message.count),
            compares,
            results,
        };
        begin(endpoint, &call, &values)
    }
}

macro_rules! atomics {
    ($(fn $name:ident($($argument:ident: $kind:ty),*)
        = $form:expr, $operands:expr, $compares:expr, $results:expr;)*) => {$(
        unsafe extern "C" fn $name(
            endpoint: *mut Fid,
            $($argument: $kind,)*
            peer: u64,
            begin_at: u64,
            key: u64,
            datatype: u32,
            operation: u32,
            context: *mut c_void,
        ) -> isize {
            let call = Call {
                form: $form,
                peer,
                begin: begin_at,
                key,
                datatype,
                operation,
                context,
                flags: None,
            };
            // SAFETY: libfabric passes an open endpoint, and what its documentation says.
            unsafe {
                let values = Values {
                    operands: $operands,
                    compares: $compares,
                    results: $results,
                };
                begin(endpoint, &call, &values)
            }
        }
    )*};
}

atomics! {
    fn write(base: *mut c_void, count: usize, _d: *mut c_void)
        = Form::Change, &one(base, count), &[], &[];
    fn writev(parts: *const CountVector, _d: *mut *mut c_void, count: usize)
        = Form::Change, several(parts, count), &[], &[];
    fn readwrite(base: *mut c_void, count: usize, _d: *mut c_void, result: *mut c_void, _rd: *mut c_void)
        = Form::Fetch, &one(base, count), &[], &one(result, count);
    fn readwritev(parts: *const CountVector, _d: *mut *mut c_void, count: usize,
        results: *const CountVector, _rd: *mut *mut c_void, result_count: usize)
        = Form::Fetch, several(parts, count), &[], several(results, result_count);
    fn compwrite(base: *mut c_void, count: usize, _d: *mut c_void, compare: *mut c_void, _cd: *mut c_void,
        result: *mut c_void, _rd: *mut c_void)
        = Form::Compare, &one(base, count), &one(compare, count), &one(result, count);
    fn compwritev(parts: *const CountVector, _d: *mut *mut c_void, count: usize,
        compares: *const CountVector, _cd: *mut *mut c_void, compare_count: usize,
        results: *const CountVector, _rd: *mut *mut c_void, result_count: usize)
        = Form::Compare, several(parts, count), several(compares, compare_count), several(results, result_count);
}

unsafe extern "C" fn writemsg(
    endpoint: *mut Fid,
    message: *const AtomicMessage,
    flags: u64,
) -> isize {
    // SAFETY: libfabric passes an open endpoint, and what its documentation says.
    unsafe { begin_message(endpoint, Form::Change, message, &[], &[], flags) }
}

unsafe extern "C" fn readwritemsg(
    endpoint: *mut Fid,
    message: *const AtomicMessage,
    results: *const CountVector,
    _: *mut *mut c_void,
    result_count: usize,
    flags: u64,
) -> isize {
    // SAFETY: libfabric passes an open endpoint, and what its documentation says.
    unsafe {
        let results = several(results, result_count);
        begin_message(endpoint, Form::Fetch, message, &[], results, flags)
    }
}

unsafe extern "C" fn compwritemsg(
    endpoint: *mut Fid,
    message: *const AtomicMessage,
    compares: *const CountVector,
    _: *mut *mut c_void,
    compare_count: usize,
    results: *const CountVector,
    _: *mut *mut c_void,
    result_count: usize,
    flags: u64,
) -> isize {
    // SAFETY: libfabric passes an open endpoint, and what its documentation says.
    unsafe {
        let compares = several(compares, compare_count);
        let results = several(results, result_count);
        begin_message(endpoint, Form::Compare, message, compares, results, flags)
    }
}

unsafe extern "C" fn inject(
    endpoint: *mut Fid,
    base: *mut c_void,
    count: usize,
    peer: u64,
    begin_at: u64,
    key: u64,
    datatype: u32,
    operation: u32,
) -> isize {
    let call = Call {
        form: Form::Change,
        peer,
        begin: begin_at,
        key,
        datatype,
        operation,
        context: core::ptr::null_mut(),
        flags: Some(INJECT | SILENT),
    };
    let values = Values {
        operands: &one(base, count),
        compares: &[],
        results: &[],
    };
    // SAFETY: libfabric passes an open endpoint, and what its documentation says.
    unsafe { begin(endpoint, &call, &values) }
}

/// # Safety
/// `endpoint` is open, and `count` a place for a number, or null.
unsafe fn valid(
    endpoint: *mut Fid,
    form: Form,
    datatype: u32,
    operation: u32,
    count: *mut usize,
) -> c_int {
    // SAFETY: promised by the caller.
    let endpoint: &Endpoint = unsafe { of(endpoint) };
    let atomic = Atomic::new(form, operation, datatype);
    let Some(atomic) = atomic.filter(|_| endpoint.atomic) else {
        return -code::EOPNOTSUPP;
    };
    if !count.is_null() {
        // SAFETY: promised by the caller.
        unsafe { count.write(atomic.count_max()) };
    }
    0
}

macro_rules! valid {
    ($($name:ident = $form:expr;)*) => {$(
        unsafe extern "C" fn $name(
            endpoint: *mut Fid,
            datatype: u32,
            operation: u32,
            count: *mut usize,
        ) -> c_int {
            // SAFETY: libfabric passes an open endpoint, and a place for the count.
            unsafe { valid(endpoint, $form, datatype, operation, count) }
        }
    )*};
}

valid! {
    writevalid = Form::Change;
    readwritevalid = Form::Fetch;
    compwritevalid = Form::Compare;
}
