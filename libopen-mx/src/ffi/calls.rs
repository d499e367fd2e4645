//! Calls on an open endpoint, whose failures pass through its error handler.

use open_mx::Error;

use super::errors;
use super::registry::Handle;
use super::types::{EndpointAddress, EndpointHandle, Return, Status};

impl Handle {
    /// A status as C code gets it; an error in it passes through the handler, but not what the program itself asked
    /// for.
    pub fn status(&self, status: &open_mx::Status) -> Status {
        Status {
            code: errors::handled(Some(self), "request completed with an error", status.code),
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

/// Runs a call on the endpoint of a handle; its failure passes through the handler.
pub fn on(
    handle: EndpointHandle,
    call: &str,
    run: impl FnOnce(&Handle) -> Result<(), Error>,
) -> Return {
    match Handle::find(handle) {
        Some(found) => {
            let result = run(&found);
            errors::finish(Some(&found), call, result)
        }
        None => errors::finish(None, call, Err(Error::NotOpen)),
    }
}
