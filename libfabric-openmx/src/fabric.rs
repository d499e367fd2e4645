//! The fabric, and event queues, in which nothing happens: an endpoint of messages to many has no connections to tell of.

use core::ffi::{c_int, c_void};
use std::sync::Arc;

use crate::abi::flags::{class, code};
use crate::abi::info::FabricAttributes;
use crate::abi::objects::{
    EventQueueObject, EventQueueOperations, FabricObject, FabricOperations, Fid, FidOperations,
    unsupported,
};
use crate::domain;
use crate::handle::{Handle, fid};

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
    read_waiting: nothing,
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

unsafe extern "C" fn try_wait(_: *mut Fid, _: *mut *mut Fid, _: c_int) -> c_int {
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

unsafe extern "C" fn nothing() -> isize {
    -(code::EAGAIN as isize)
}
