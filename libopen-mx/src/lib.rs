//! The C API and ABI of the MX library: `omx_*` (`ffi`), and `mx_*` on top of it (`mx`).
//!
//! Programs in C and other languages include the headers in `include` and link the library that `install.sh` makes of this
//! crate. Names, layouts and numbers are those of Open-MX and of MX (api.md); what a call does is `open-mx`'s affair. Here
//! handles become endpoints and requests, pointers become memory, errors become codes that pass through the program's
//! handler.
//!
//! It refuses to know how a message travels, and to follow a handle that is not one of its own.

#[macro_use]
extern crate omx_output;

mod ffi;
mod mx;

#[cfg(feature = "fake")]
pub mod fake {
    //! For programs that count what calls cost.

    /// The handle of an endpoint that was not opened by a call of C.
    pub fn handle(endpoint: open_mx::Endpoint) -> Result<*mut core::ffi::c_void, open_mx::Error> {
        crate::ffi::registry::Handle::add(endpoint, None)
    }
}
