//! Domains: a domain is a board.

use core::ffi::{c_int, c_void};
use std::sync::Arc;

use crate::abi::atomic::AtomicAttributes;
use crate::abi::flags::{COMPARE_ATOMIC, FETCH_ATOMIC, class, code};
use crate::abi::info::Info;
use crate::abi::objects::{DomainObject, DomainOperations, Fid, FidOperations, unsupported};
use crate::atomic::{Atomic, Form};
use crate::handle::fid;
use crate::region::{self, Domain};
use crate::{counter, endpoint, queue, vector};

static OBJECT: FidOperations = FidOperations::closing(Domain::close);
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
    query_atomic,
    query_collective: unsupported,
    endpoint2: unsupported,
};

/// Whether there is an atomic operation, and on how many values at a time.
unsafe extern "C" fn query_atomic(
    _: *mut Fid,
    datatype: u32,
    operation: u32,
    place: *mut AtomicAttributes,
    flags: u64,
) -> c_int {
    let form = match flags {
        0 => Form::Change,
        FETCH_ATOMIC => Form::Fetch,
        COMPARE_ATOMIC => Form::Compare,
        _ => return -code::EOPNOTSUPP,
    };
    let Some(atomic) = Atomic::new(form, operation, datatype) else {
        return -code::EOPNOTSUPP;
    };
    let attributes = AtomicAttributes {
        count: atomic.count_max(),
        size: atomic.datatype.size(),
    };
    // SAFETY: libfabric passes a place for them.
    unsafe { place.write(attributes) };
    0
}

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
        memory: &region::OPERATIONS,
    };
    // SAFETY: promised by the caller.
    unsafe { Domain::give(object, Arc::default(), place) }
}
