//! MX's raw API (`mx_raw.h`), for programs that map the network. Boards have one port; routes are the switches' affair,
//! so that setting one only makes its end known as a peer.

use core::ffi::{CStr, c_char, c_int, c_void};

use mx_engine::Code;
use mx_ring::admin::{Change, Name};
use mx_wire::MacAddress;
use open_mx::board::Board;

use super::Return;
use super::codes::returned;
use crate::ffi::errors::handled;
use crate::ffi::put;
use crate::ffi::raw::{
    RawHandle, omx__raw_next_event, omx__raw_send, omx_raw_close_endpoint, omx_raw_handle,
    omx_raw_open_endpoint, on_raw,
};
use crate::ffi::types::EndpointParameter;

/// A name that is to be asked for.
const NAMELESS: Name = [0; size_of::<Name>()];
/// `MX_SPEED_10G`.
const SPEED_10G: u32 = 1;

calls! {
    /// Opens the raw endpoint of a board.
    fn mx_raw_open_endpoint(
        board: u32, parameters: *const EndpointParameter, count: u32, out: *mut RawHandle,
    ) = omx_raw_open_endpoint(board, parameters, count, out);

    /// Sends a whole frame: what is on its way decides, not the route. An event with the context follows.
    fn mx_raw_send(
        handle: RawHandle, _port: u32, _route: *mut c_void, _route_length: u32, frame: *mut c_void, length: u32,
        context: *mut c_void,
    ) = omx__raw_send(handle, frame, length, 1, context);

    /// The next event, waited for no longer than `milliseconds` (0: not at all).
    fn mx_raw_next_event(
        handle: RawHandle, port: *mut u32, context: *mut *mut c_void, buffer: *mut c_void, length: *mut u32,
        milliseconds: u32, status: *mut u32,
    ) = omx__raw_next_event(handle, port, context, buffer, length, milliseconds, status, 1);
}

/// Closes it.
#[unsafe(no_mangle)]
pub extern "C" fn mx_raw_close_endpoint(handle: RawHandle) -> Return {
    returned(omx_raw_close_endpoint(handle))
}

/// A descriptor that can be read when there is an event.
#[unsafe(no_mangle)]
pub extern "C" fn mx_raw_handle(handle: RawHandle) -> c_int {
    omx_raw_handle(handle)
}

/// Changes the board of a raw endpoint.
fn change(handle: RawHandle, call: &str, change: &Change) -> Return {
    returned(on_raw(handle, call, |open| {
        let (backend, board) = open.endpoint.board();
        Board::change(backend, board, change)
    }))
}

/// A name as boards keep it; an empty one for null.
///
/// # Safety
/// `text` is null or a C string.
unsafe fn name(text: *const c_char) -> Name {
    let mut name = NAMELESS;
    if !text.is_null() {
        // SAFETY: not null, hence a C string by the caller's promise.
        let text = unsafe { CStr::from_ptr(text) }.to_bytes();
        let length = text.len().min(name.len() - 1);
        name[..length].copy_from_slice(&text[..length]);
    }
    name
}

/// Announces a change of routes: nothing to do.
#[unsafe(no_mangle)]
pub extern "C" fn mx_raw_set_route_begin(handle: RawHandle) -> Return {
    returned(on_raw(handle, "omx_raw_set_route_begin", |_| Ok(())))
}

/// Ends a change of routes: nothing to do.
#[unsafe(no_mangle)]
pub extern "C" fn mx_raw_set_route_end(handle: RawHandle) -> Return {
    returned(on_raw(handle, "omx_raw_set_route_end", |_| Ok(())))
}

/// Makes the end of a route known as a peer.
#[unsafe(no_mangle)]
pub extern "C" fn mx_raw_set_route(
    handle: RawHandle,
    destination: u64,
    _route: *mut c_void,
    _route_length: u32,
    _input_port: u32,
    _output_port: u32,
    _host_type: u32,
) -> Return {
    let peer = Change::AddPeer {
        mac: MacAddress::from_nic_id(destination),
        name: NAMELESS,
    };
    change(handle, "omx_raw_set_route", &peer)
}

/// The same, with a number for groups of peers.
#[unsafe(no_mangle)]
pub extern "C" fn mx_raw_set_route_mag(
    handle: RawHandle,
    destination: u64,
    route: *mut c_void,
    route_length: u32,
    input_port: u32,
    output_port: u32,
    host_type: u32,
    _mag: u32,
) -> Return {
    mx_raw_set_route(
        handle,
        destination,
        route,
        route_length,
        input_port,
        output_port,
        host_type,
    )
}

/// Forgets routes: there are none.
#[unsafe(no_mangle)]
pub extern "C" fn mx_raw_clear_routes(handle: RawHandle, _destination: u64, _port: u32) -> Return {
    returned(on_raw(handle, "omx_raw_clear_routes", |_| Ok(())))
}

/// Fails: peers keep their index, since partners hold it.
#[unsafe(no_mangle)]
pub extern "C" fn mx_raw_remove_peer(_handle: RawHandle, _destination: u64) -> Return {
    returned(handled(None, "mx_raw_remove_peer", Code::NotImplemented))
}

/// Declares the board's peer table complete, when the map is.
#[unsafe(no_mangle)]
pub extern "C" fn mx_raw_set_map_version(
    handle: RawHandle,
    _port: u32,
    _mapper: u64,
    _version: u32,
    _nodes: u32,
    complete: u32,
) -> Return {
    let call = "omx_raw_set_map_version";
    if complete == 0 {
        return returned(on_raw(handle, call, |_| Ok(())));
    }
    change(handle, call, &Change::MarkPeersConfigured)
}

/// Ports of a board: one.
///
/// # Safety
/// `ports` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mx_raw_num_ports(handle: RawHandle, ports: *mut u32) -> Return {
    // SAFETY: promised by the caller.
    unsafe { told(handle, "omx_raw_num_ports", ports, 1) }
}

/// The line's speed.
///
/// # Safety
/// `speed` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mx_raw_line_speed(handle: RawHandle, speed: *mut u32) -> Return {
    // SAFETY: promised by the caller.
    unsafe { told(handle, "omx_raw_line_speed", speed, SPEED_10G) }
}

/// # Safety
/// `place` is null or valid for a write.
unsafe fn told(handle: RawHandle, call: &str, place: *mut u32, value: u32) -> Return {
    returned(on_raw(handle, call, |_| {
        // SAFETY: promised by the caller.
        unsafe { put(place, value) };
        Ok(())
    }))
}

/// Gives the board another name.
///
/// # Safety
/// `text` is null or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mx_raw_set_hostname(handle: RawHandle, text: *const c_char) -> Return {
    // SAFETY: promised by the caller.
    let name = unsafe { name(text) };
    change(handle, "omx_raw_set_hostname", &Change::SetHostname(name))
}

/// Gives a peer a name.
///
/// # Safety
/// `text` is null or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mx_raw_set_peer_name(
    handle: RawHandle,
    nic: u64,
    text: *const c_char,
) -> Return {
    let peer = Change::AddPeer {
        mac: MacAddress::from_nic_id(nic),
        // SAFETY: promised by the caller.
        name: unsafe { name(text) },
    };
    change(handle, "omx_raw_set_peer_name", &peer)
}

/// What others are told of the card: nothing asks for it.
#[unsafe(no_mangle)]
pub extern "C" fn mx_raw_set_nic_reply_info(
    _handle: RawHandle,
    _info: *mut c_void,
    _length: u32,
) -> Return {
    Code::Success as Return
}
