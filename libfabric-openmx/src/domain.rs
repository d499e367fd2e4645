//! Domains: a domain is a board.

use core::ffi::{c_int, c_void};
use std::sync::Arc;

use crate::abi::flags::class;
use crate::abi::info::Info;
use crate::abi::objects::{
    DomainObject, DomainOperations, Fid, FidOperations, MemoryOperations, unsupported,
};
use crate::handle::{Handle, fid};
use crate::{counter, endpoint, queue, vector};

type Object = Handle<DomainObject, ()>;

static OBJECT: FidOperations = FidOperations::closing(Object::close);
static OPERATIONS: DomainOperations = DomainOperations {
    size: size_of::<DomainOperations>(),
    address_vector: vector::open,
    completion_queue: queue::open,
    endpoint: endpoint::open,
    scalable_endpoint: unsupported,
    counter: counter::open,
    poll_open: unsupported,
    shared_transmit_context: unsupported,
    shared_receive_context: unsupported,
    query_atomic: unsupported,
    query_collective: unsupported,
    endpoint2: unsupported,
};
static MEMORY: MemoryOperations = MemoryOperations {
    size: size_of::<MemoryOperations>(),
    register: unsupported,
    register_parts: unsupported,
    register_attributes: unsupported,
};

/// # Safety
/// As libfabric's `fi_domain`.
pub unsafe extern "C" fn open(
    _: *mut Fid,
    _: *mut Info,
    place: *mut *mut Fid,
    context: *mut c_void,
) -> c_int {
    let object = DomainObject {
        fid: fid(class::DOMAIN, context, &OBJECT),
        operations: &OPERATIONS,
        memory: &MEMORY,
    };
    // SAFETY: promised by the caller.
    unsafe { Object::give(object, Arc::new(()), place) }
}
