//! The open endpoints of the process, by the numbers that C code holds.

use std::sync::{Arc, PoisonError, RwLock};

use super::errors;
use super::types::{
    EndpointAddress, EndpointHandle, ErrorHandler, RequestHandle, Return, Status, request_handle,
    request_of,
};
use crate::endpoint::{self, Endpoint};
use crate::error::Error;

/// Endpoints that a process may have open: their number is a byte of each address.
const MAX: usize = 256;

struct Slot {
    /// Counts the uses of the slot.
    generation: usize,
    endpoint: Option<Arc<Open>>,
}

struct Open {
    endpoint: Endpoint,
    handler: RwLock<ErrorHandler>,
}

static SLOTS: RwLock<Vec<Slot>> = RwLock::new(Vec::new());

/// An endpoint that stays open for as long as this value exists.
pub struct Handle {
    open: Arc<Open>,
    slot: u8,
}

impl Handle {
    /// Registers an endpoint.
    pub fn add(endpoint: Endpoint, handler: ErrorHandler) -> Result<EndpointHandle, Error> {
        let mut slots = SLOTS.write().unwrap_or_else(PoisonError::into_inner);
        let free = slots.iter().position(|slot| slot.endpoint.is_none());
        let at = match free {
            Some(at) => at,
            None if slots.len() < MAX => {
                slots.push(Slot {
                    generation: 0,
                    endpoint: None,
                });
                slots.len() - 1
            }
            None => return Err(Error::Memory),
        };
        let slot = &mut slots[at];
        slot.generation += 1;
        slot.endpoint = Some(Arc::new(Open {
            endpoint,
            handler: RwLock::new(handler),
        }));
        Ok(core::ptr::without_provenance_mut(slot.generation << 8 | at))
    }

    /// The endpoint of a handle.
    pub fn find(handle: EndpointHandle) -> Option<Self> {
        let number = handle.addr();
        let slots = SLOTS.read().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.get(number & 0xff)?;
        if slot.generation != number >> 8 {
            return None;
        }
        Some(Self {
            open: slot.endpoint.clone()?,
            slot: number as u8,
        })
    }

    /// Forgets a handle. The endpoint closes when no call uses it any more.
    pub fn remove(handle: EndpointHandle) -> bool {
        let Some(found) = Self::find(handle) else {
            return false;
        };
        let mut slots = SLOTS.write().unwrap_or_else(PoisonError::into_inner);
        slots[usize::from(found.slot)].endpoint = None;
        true
    }

    /// The endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.open.endpoint
    }

    /// Its own error handler.
    pub fn error_handler(&self) -> ErrorHandler {
        *self
            .open
            .handler
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes it; returns the one before.
    pub fn set_error_handler(&self, handler: ErrorHandler) -> ErrorHandler {
        let mut own = self
            .open
            .handler
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *own, handler)
    }

    /// A request of this endpoint as C code holds it.
    pub fn request_handle(&self, request: endpoint::Request) -> RequestHandle {
        request_handle(request, self.slot)
    }

    /// The request of this endpoint that a pointer names.
    ///
    /// # Safety
    /// `request` is null or valid for a read.
    pub unsafe fn named(&self, request: *const RequestHandle) -> Result<endpoint::Request, Error> {
        // SAFETY: promised by the caller.
        match unsafe { read_request(request) } {
            Some((request, slot)) if slot == self.slot => Ok(request),
            _ => Err(Error::Request),
        }
    }

    /// The application's word of a request of any endpoint.
    ///
    /// # Safety
    /// `request` is null or valid for a read.
    pub unsafe fn context_of(request: *const RequestHandle) -> Result<u64, Error> {
        // SAFETY: promised by the caller.
        let (request, slot) = unsafe { read_request(request) }.ok_or(Error::Request)?;
        let slots = SLOTS.read().unwrap_or_else(PoisonError::into_inner);
        let open = slots
            .get(usize::from(slot))
            .and_then(|slot| slot.endpoint.clone());
        drop(slots);
        open.ok_or(Error::Request)?.endpoint.context(request)
    }

    /// An address as C code holds it.
    pub fn address(&self, address: &endpoint::Address) -> EndpointAddress {
        EndpointAddress::new(address, self.slot)
    }

    /// A status as C code gets it; an error in it passes through the handler.
    pub fn status(&self, status: &endpoint::Status) -> Status {
        Status {
            code: errors::handled(Some(self), c"request completed with an error", status.code),
            address: status
                .address
                .as_ref()
                .map_or_else(EndpointAddress::default, |address| self.address(address)),
            match_info: status.match_info,
            message_length: status.message_length,
            transferred: status.transferred,
            context: status.context,
        }
    }
}

/// # Safety
/// `request` is null or valid for a read.
unsafe fn read_request(request: *const RequestHandle) -> Option<(endpoint::Request, u8)> {
    if request.is_null() {
        return None;
    }
    // SAFETY: not null, hence valid by the caller's promise.
    Some(request_of(unsafe { request.read() }))
}

/// Runs a call on the endpoint of a handle; its failure passes through the handler.
pub fn on(
    handle: EndpointHandle,
    call: &core::ffi::CStr,
    run: impl FnOnce(&Handle) -> Result<(), Error>,
) -> Return {
    match Handle::find(handle) {
        Some(found) => {
            let result = run(&found);
            errors::finish(Some(&found), call, result)
        }
        None => errors::finish(None, call, Err(Error::NoEndpoint(u32::MAX))),
    }
}
