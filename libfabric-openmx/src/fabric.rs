//! The fabric, and event queues, in which nothing happens: an endpoint of messages to many has no connections to tell of.

use core::ffi::{c_int, c_void};
use std::sync::Arc;
use std::time::Duration;

use crate::abi::flags::{class, code};
use crate::abi::info::FabricAttributes;
use crate::abi::objects::{
    EventQueueObject, EventQueueOperations, FabricObject, FabricOperations, Fid, FidOperations,
    unsupported,
};
use crate::handle::{Handle, fid};
use crate::{domain, queue};

type Fabric = Handle<FabricObject, ()>;
type EventQueue = Handle<EventQueueObject, ()>;

static FABRIC: FidOperations = FidOperations::closing(Fabric::close);
static OPERATIONS: FabricOperations = FabricOperations {
    size: size_of::<FabricOperations>(),
    domain: domain::open,
    passive_endpoint: unsupported,
    event_queue,
    wait_open: unsupported,
    try_wait,
    domain2: unsupported,
};
static EVENT_QUEUE: FidOperations = FidOperations::closing(EventQueue::close);
static EVENTS: EventQueueOperations = EventQueueOperations {
    size: size_of::<EventQueueOperations>(),
    read: nothing,
    read_error: nothing,
    write: unsupported,
    read_waiting: sleep,
    error_text: unsupported,
};

/// # Safety
/// As libfabric's `fi_fabric`.
pub unsafe extern "C" fn open(
    attributes: *mut FabricAttributes,
    place: *mut *mut c_void,
    context: *mut c_void,
) -> c_int {
    // SAFETY: libfabric passes what `getinfo` has given.
    let api_version = unsafe { (*attributes).api_version };
    let object = FabricObject {
        fid: fid(class::FABRIC, context, &FABRIC),
        operations: &OPERATIONS,
        api_version,
    };
    // SAFETY: promised by the caller.
    unsafe { Fabric::give(object, Arc::new(()), place.cast()) }
}

unsafe extern "C" fn try_wait(_: *mut Fid, objects: *mut *mut Fid, count: c_int) -> c_int {
    for index in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: the caller names `count` open objects of this fabric.
        let object = unsafe { objects.add(index).read() };
        // SAFETY: as above.
        let tried = match unsafe { (*object).class } {
            // SAFETY: its class says what it is.
            class::COMPLETION_QUEUE => unsafe { queue::of(object) }.try_wait(),
            // Nothing happens there.
            class::EVENT_QUEUE => Ok(()),
            _ => Err(code::EINVAL),
        };
        if let Err(code) = tried {
            return -code;
        }
    }
    0
}

unsafe extern "C" fn event_queue(
    _: *mut Fid,
    _: *mut c_void,
    place: *mut *mut Fid,
    context: *mut c_void,
) -> c_int {
    let object = EventQueueObject {
        fid: fid(class::EVENT_QUEUE, context, &EVENT_QUEUE),
        operations: &EVENTS,
    };
    // SAFETY: promised by the caller.
    unsafe { EventQueue::give(object, Arc::new(()), place) }
}

unsafe extern "C" fn sleep(
    _: *mut Fid,
    _: *mut u32,
    _: *mut c_void,
    _: usize,
    milliseconds: c_int,
    _: u64,
) -> isize {
    // Without an end it would be one for ever: nothing happens here.
    let time = u64::try_from(milliseconds).map_or(Duration::MAX, Duration::from_millis);
    std::thread::sleep(time);
    -(code::EAGAIN as isize)
}

unsafe extern "C" fn nothing() -> isize {
    -(code::EAGAIN as isize)
}
