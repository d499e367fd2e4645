//! An endpoint as libfabric holds it: opened, bound, named, closed.

use core::ffi::{c_int, c_void};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use open_mx::{Backend, EndpointOptions};
use slotmap::SlotMap;

use super::atomic_calls::ATOMIC_CALLS;
use super::calls::{MESSAGE, TAGGED_CALLS};
use super::remote_calls::REMOTE_CALLS;
use super::state::{Endpoint, KEY, MIN_MULTI_RECEIVE, Mx, Object, Side, State, of};
use crate::abi::flags::{
    ATOMIC, DIRECTED_RECV, OPT_MIN_MULTI_RECV, READ, RECV, RMA, SELECTIVE_COMPLETION, SEND, WRITE,
    class, code, control,
};
use crate::abi::info::Info;
use crate::abi::objects::{
    ConnectionOperations, EndpointObject, EndpointOperations, Fid, FidOperations, unsupported,
};
use crate::address::Name;
use crate::handle::fid;
use crate::match_info::Layout;
use crate::{board, counter, error, queue, region, vector};

static OBJECT: FidOperations = FidOperations {
    bind,
    control: command,
    ..FidOperations::closing(Object::close)
};
static OPERATIONS: EndpointOperations = EndpointOperations {
    size: size_of::<EndpointOperations>(),
    cancel,
    get_option,
    set_option,
    transmit_context: unsupported,
    receive_context: unsupported,
    receive_size_left: unsupported,
    transmit_size_left: unsupported,
};
static CONNECTION: ConnectionOperations = ConnectionOperations {
    size: size_of::<ConnectionOperations>(),
    set_name: unsupported,
    get_name,
    get_peer: unsupported,
    connect: unsupported,
    listen: unsupported,
    accept: unsupported,
    reject: unsupported,
    shutdown: unsupported,
    join: unsupported,
};

/// # Safety
/// As libfabric's `fi_endpoint`.
pub unsafe extern "C" fn open(
    domain: *mut Fid,
    info: *mut Info,
    place: *mut *mut Fid,
    context: *mut c_void,
) -> c_int {
    // SAFETY: libfabric passes what `getinfo` has given, or a copy.
    let (Some(info), Some(attributes)) = (unsafe { (info.as_ref(), (*info).domain.as_ref()) })
    else {
        return -code::EINVAL;
    };
    // SAFETY: as above.
    let number = unsafe { board::number(attributes) };
    let opened = Backend::find().and_then(|backend| {
        let options = EndpointOptions {
            board: number,
            ..EndpointOptions::new(KEY)
        };
        let endpoint = open_mx::Endpoint::open(&backend, &options)?;
        let own = endpoint.address()?;
        Ok((endpoint, own))
    });
    let (mx, own) = match opened {
        Ok(opened) => opened,
        Err(error) => return -error::of_call(&error),
    };
    // SAFETY: as above.
    let flags = unsafe {
        [
            info.transmit.as_ref().map(|side| side.operation_flags),
            info.receive.as_ref().map(|side| side.operation_flags),
        ]
    };
    let [sends, receives] = flags.map(|flags| Side {
        flags: flags.unwrap_or(0),
        ..Side::default()
    });
    let endpoint = Endpoint {
        mx: Mx(mx),
        own: Name {
            nic_id: own.nic_id,
            endpoint: own.endpoint,
        },
        layout: Layout::new(info.capabilities, attributes.cq_data_size > 0),
        remote: info.capabilities & RMA != 0,
        atomic: info.capabilities & ATOMIC != 0,
        // SAFETY: libfabric passes an open domain.
        regions: unsafe { region::of_domain(domain) }.clone(),
        directed: info.capabilities & DIRECTED_RECV != 0,
        sleeps: AtomicBool::new(false),
        state: Mutex::new(State {
            vector: None,
            sends,
            receives,
            reads: Side::default(),
            writes: Side::default(),
            peers: Default::default(),
            operations: SlotMap::new(),
            claims: Default::default(),
            beside: Default::default(),
            min_multi_receive: MIN_MULTI_RECEIVE,
            numbers: 0,
            serves: false,
        }),
    };
    let object = EndpointObject {
        fid: fid(class::ENDPOINT, context, &OBJECT),
        operations: &OPERATIONS,
        connection: &CONNECTION,
        message: &MESSAGE,
        rma: &REMOTE_CALLS,
        tagged: &TAGGED_CALLS,
        atomic: &ATOMIC_CALLS,
        collective: core::ptr::null(),
    };
    // SAFETY: promised by the caller.
    unsafe { Object::give(object, Arc::new(endpoint), place) }
}

unsafe extern "C" fn bind(endpoint: *mut Fid, other: *mut Fid, flags: u64) -> c_int {
    // SAFETY: libfabric passes an open endpoint, and another open object of this provider.
    let (endpoint, class) = unsafe { (of(endpoint), (*other).class) };
    let mut state = endpoint.state();
    let State {
        vector,
        sends,
        receives,
        reads,
        writes,
        ..
    } = &mut *state;
    let sides = [
        (SEND, sends),
        (RECV, receives),
        (READ, reads),
        (WRITE, writes),
    ];
    match class {
        class::ADDRESS_VECTOR => {
            // SAFETY: its class says what it is.
            *vector = Some(unsafe { vector::of(other) }.clone());
        }
        class::COMPLETION_QUEUE => {
            // SAFETY: its class says what it is.
            let queue = unsafe { queue::of(other) };
            // Reads and writes complete where sends do.
            let flags = match flags & SEND {
                0 => flags,
                _ => flags | READ | WRITE,
            };
            for (_, side) in sides.into_iter().filter(|(side, _)| flags & side != 0) {
                side.queue = Some(queue.clone());
                side.selective = flags & SELECTIVE_COMPLETION != 0;
            }
            if let Err(code) = queue.add(endpoint) {
                return -code;
            }
        }
        class::COUNTER => {
            // SAFETY: its class says what it is.
            let counter = unsafe { counter::of(other) };
            for (_, side) in sides.into_iter().filter(|(side, _)| flags & side != 0) {
                side.counter = Some(counter.clone());
            }
            counter.endpoints().add(endpoint);
        }
        class::EVENT_QUEUE => {}
        _ => return -code::EINVAL,
    }
    0
}

unsafe extern "C" fn command(endpoint: *mut Fid, command: c_int, _: *mut c_void) -> c_int {
    if command != control::ENABLE {
        return -code::ENOSYS;
    }
    // SAFETY: libfabric passes an open endpoint.
    let endpoint = unsafe { of(endpoint) };
    let state = endpoint.state();
    match (&state.vector, &state.sends.queue, &state.receives.queue) {
        (None, _, _) => return -code::ENOAV,
        (_, None, None) => return -code::ENOCQ,
        _ => {}
    }
    drop(state);
    endpoint.serve().map_or_else(|code| -code, |()| 0)
}

unsafe extern "C" fn cancel(endpoint: *mut Fid, context: *mut c_void) -> isize {
    // SAFETY: libfabric passes an open endpoint.
    let cancelled = unsafe { of(endpoint) }.cancel(context);
    cancelled.map_or_else(|code| -(code as isize), |()| 0)
}

unsafe extern "C" fn get_option(
    endpoint: *mut Fid,
    level: c_int,
    option: c_int,
    value: *mut c_void,
    size: *mut usize,
) -> c_int {
    if (level, option) != (0, OPT_MIN_MULTI_RECV) {
        return -code::ENOPROTOOPT;
    }
    // SAFETY: libfabric passes an open endpoint, and a place with its size.
    unsafe {
        if size.replace(size_of::<usize>()) < size_of::<usize>() {
            return -code::ETOOSMALL;
        }
        let least = of(endpoint).state().min_multi_receive;
        value.cast::<usize>().write_unaligned(least);
    }
    0
}

unsafe extern "C" fn set_option(
    endpoint: *mut Fid,
    level: c_int,
    option: c_int,
    value: *const c_void,
    size: usize,
) -> c_int {
    if (level, option) != (0, OPT_MIN_MULTI_RECV) {
        return -code::ENOPROTOOPT;
    }
    if size != size_of::<usize>() {
        return -code::EINVAL;
    }
    // SAFETY: libfabric passes an open endpoint, and a number of that size.
    unsafe {
        of(endpoint).state().min_multi_receive = value.cast::<usize>().read_unaligned();
    }
    0
}

unsafe extern "C" fn get_name(endpoint: *mut Fid, place: *mut c_void, room: *mut usize) -> c_int {
    // SAFETY: libfabric passes an open endpoint, and a place with its size.
    if unsafe { vector::put(of(endpoint).own, place, room) } {
        0
    } else {
        -code::ETOOSMALL
    }
}
