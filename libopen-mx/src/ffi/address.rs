//! What addresses tell, and what a program notes at them. These calls name no endpoint: an address knows whose it is.

use core::ffi::c_void;
use core::ptr::with_exposed_provenance_mut;

use mx_engine::Code;
use open_mx::{Endpoint, Error};

use super::messages::word;
use super::registry::Handle;
use super::types::{EndpointAddress, Return};
use super::{errors, put};

/// Runs a call of the endpoint that an address belongs to.
fn on_address<T>(
    address: EndpointAddress,
    call: &str,
    run: impl FnOnce(&Endpoint) -> Result<T, Error>,
    done: impl FnOnce(T),
) -> Return {
    let owner = Handle::of_address(address);
    let result = match &owner {
        Some(owner) => run(owner.endpoint()).map(done),
        None => Err(Error::StrangeAddress),
    };
    errors::finish(owner.as_ref(), call, result)
}

/// Sets the program's pointer for a remote endpoint; all addresses of it have the same.
#[unsafe(no_mangle)]
pub extern "C" fn omx_set_endpoint_addr_context(
    address: EndpointAddress,
    context: *mut c_void,
) -> Return {
    let word = word(context);
    on_address(
        address,
        "omx_set_endpoint_addr_context",
        |endpoint| endpoint.set_address_context(address.address(), word),
        |()| (),
    )
}

/// The program's pointer for a remote endpoint, null at first.
///
/// # Safety
/// `context` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_get_endpoint_addr_context(
    address: EndpointAddress,
    context: *mut *mut c_void,
) -> Return {
    on_address(
        address,
        "omx_get_endpoint_addr_context",
        |endpoint| endpoint.address_context(address.address()),
        // SAFETY: promised by the caller.
        |word| unsafe { put(context, with_exposed_provenance_mut(word as usize)) },
    )
}

/// Board and endpoint of an address.
///
/// # Safety
/// `nic` and `remote` are null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_decompose_endpoint_addr(
    address: EndpointAddress,
    nic: *mut u64,
    remote: *mut u32,
) -> Return {
    // SAFETY: promised by the caller.
    unsafe {
        put(nic, address.nic_id());
        put(remote, address.endpoint());
    }
    Code::Success as Return
}

/// Board, endpoint and session of an address.
///
/// # Safety
/// `nic`, `remote` and `session` are null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn omx_decompose_endpoint_addr_with_session(
    address: EndpointAddress,
    nic: *mut u64,
    remote: *mut u32,
    session: *mut u32,
) -> Return {
    // SAFETY: promised by the caller.
    unsafe {
        put(nic, address.nic_id());
        put(remote, address.endpoint());
        put(session, address.session());
    }
    Code::Success as Return
}
