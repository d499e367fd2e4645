//! Domains: a domain is a board.

use core::ffi::{c_int, c_void};
use std::sync::Arc;

use crate::abi::flags::class;
use crate::abi::info::Info;
use crate::abi::objects::{DomainObject, DomainOperations, Fid, FidOperations, unsupported};
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
    query_atomic: unsupported,
    query_collective: unsupported,
    endpoint2: unsupported,
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
        memory: &region::OPERATIONS,
    };
    // SAFETY: promised by the caller.
    unsafe { Domain::give(object, Arc::default(), place) }
}
