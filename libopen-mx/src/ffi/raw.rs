//! Raw endpoints (api.md §4): the native calls behind MX's raw API. The header is `include/omx_raw.h`.

use core::ffi::{c_int, c_void};
use core::ptr::with_exposed_provenance_mut;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, PoisonError, RwLock};

use mx_engine::Code;
use open_mx::Error;
use open_mx::raw::{RAW_FRAME_MAX, RawEndpoint, RawEvent};

use super::endpoint::read_parameters;
use super::library::backend;
use super::types::{EndpointParameter, ErrorHandler, Return};
use super::{errors, put, timeout};

/// `omx_raw_endpoint_t`: a number in the clothes of a pointer.
pub type RawHandle = *mut c_void;

/// `OMX_RAW_*`.
const NO_EVENT: u32 = 0;
const SEND_COMPLETE: u32 = 1;
const RECEIVE_COMPLETE: u32 = 2;

/// An open raw endpoint and its own error handler.
pub struct Open {
    /// The endpoint of the Rust library, which does the work.
    pub endpoint: RawEndpoint,
    handler: ErrorHandler,
}

/// The open ones by their numbers, which are not used again.
struct Table {
    open: BTreeMap<usize, Arc<Open>>,
    last: usize,
}

static TABLE: RwLock<Table> = RwLock::new(Table {
    open: BTreeMap::new(),
    last: 0,
});

fn find(handle: RawHandle) -> Option<Arc<Open>> {
    let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
    table.open.get(&handle.addr()).cloned()
}

/// Runs a call on a raw endpoint; its failure passes through the handler.
pub fn on_raw(
    handle: RawHandle,
    call: &str,
    run: impl FnOnce(&Open) -> Result<(), Error>,
) -> Return {
    let found = find(handle);
    let result = found
        .as_ref()
        .ok_or(Error::NotOpen)
        .and_then(|open| run(open));
    let handler = found.and_then(|open| open.handler);
    errors::finish_by(handler, None, call, result)
}

/// Opens the raw endpoint of a board.
///
/// # Safety
/// `parameters` is null or names `count` parameters; `out` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_raw_open_endpoint(
    board: u32,
    parameters: *const EndpointParameter,
    count: u32,
    out: *mut RawHandle,
) -> Return {
    let call = "omx_raw_open_endpoint";
    let Some(backend) = backend() else {
        return errors::handled(None, call, Code::NotInitialized);
    };
    // SAFETY: promised by the caller.
    let parameters = match unsafe { read_parameters(parameters, count) } {
        Ok(parameters) => parameters,
        Err(code) => return errors::handled(None, call, code),
    };
    let opened = RawEndpoint::open(&backend, board).map(|endpoint| {
        let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
        table.last += 1;
        let number = table.last;
        let handler = parameters.handler;
        table
            .open
            .insert(number, Arc::new(Open { endpoint, handler }));
        // SAFETY: promised by the caller.
        unsafe { put(out, core::ptr::without_provenance_mut(number)) };
    });
    errors::finish_by(parameters.handler, None, call, opened)
}

/// Closes it.
#[unsafe(no_mangle)]
pub extern "C" fn omx_raw_close_endpoint(handle: RawHandle) -> Return {
    let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
    let closed = table.open.remove(&handle.addr());
    drop(table);
    let result = closed.map(drop).ok_or(Error::NotOpen);
    errors::finish(None, "omx_raw_close_endpoint", result)
}

/// A descriptor that can be read when there is an event. It belongs to the endpoint; -1 if that is not open.
#[unsafe(no_mangle)]
pub extern "C" fn omx_raw_handle(handle: RawHandle) -> c_int {
    find(handle).map_or(-1, |open| open.endpoint.descriptor().as_fd().as_raw_fd())
}

/// Sends a whole frame. With `need_event` an event with the context follows.
///
/// # Safety
/// `frame` names `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx__raw_send(
    handle: RawHandle,
    frame: *const c_void,
    length: u32,
    need_event: c_int,
    context: *const c_void,
) -> Return {
    on_raw(handle, "omx_raw_send", |open| {
        let length = length as usize;
        if frame.is_null() || length > RAW_FRAME_MAX {
            return Err(Error::RawFrame(length));
        }
        // SAFETY: not null, and named by the caller.
        let frame = unsafe { core::slice::from_raw_parts(frame.cast::<u8>(), length) };
        let context = (need_event != 0).then(|| context.expose_provenance() as u64);
        open.endpoint.send(frame, context)
    })
}

/// The next event, waited for no longer than `milliseconds` (0: not at all). Without `maybe_send`, those of frames that
/// were sent stay for later. Boards have one port, number 0.
///
/// # Safety
/// `port`, `context` and `status` are null or valid for a write; `length` is null, or valid for a read and a write, and
/// `buffer` has room for as many bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx__raw_next_event(
    handle: RawHandle,
    port: *mut u32,
    context: *mut *mut c_void,
    buffer: *mut c_void,
    length: *mut u32,
    milliseconds: u32,
    status: *mut u32,
    maybe_send: c_int,
) -> Return {
    on_raw(handle, "omx_raw_next_event", |open| {
        let mut frame = [0; RAW_FRAME_MAX];
        let event = open
            .endpoint
            .next_event(&mut frame, timeout(milliseconds), maybe_send != 0)?;
        // SAFETY: promised by the caller.
        unsafe {
            put(port, 0);
            match event {
                None => put(status, NO_EVENT),
                Some(RawEvent::Sent(word)) => {
                    put(context, with_exposed_provenance_mut(word as usize));
                    put(status, SEND_COMPLETE);
                }
                Some(RawEvent::Received(received)) => {
                    if !length.is_null() && !buffer.is_null() {
                        let copied = received.min(length.read() as usize);
                        core::ptr::copy_nonoverlapping(frame.as_ptr(), buffer.cast(), copied);
                        length.write(copied as u32);
                    }
                    put(status, RECEIVE_COMPLETE);
                }
            }
        }
        Ok(())
    })
}
