//! `io/xs_wire.h`: messages of xenstore and the ring that carries them.

use core::mem::{offset_of, size_of};
use core::sync::atomic::{AtomicU8, AtomicU32};

/// List a directory.
pub const XS_DIRECTORY: u32 = 1;
/// Read a node.
pub const XS_READ: u32 = 2;
/// Watch a path.
pub const XS_WATCH: u32 = 4;
/// Stop watching.
pub const XS_UNWATCH: u32 = 5;
/// Start a transaction.
pub const XS_TRANSACTION_START: u32 = 6;
/// End a transaction.
pub const XS_TRANSACTION_END: u32 = 7;
/// Write a node.
pub const XS_WRITE: u32 = 11;
/// Make a directory.
pub const XS_MKDIR: u32 = 12;
/// Remove a node and what is below.
pub const XS_RM: u32 = 13;
/// Set permissions.
pub const XS_SET_PERMS: u32 = 14;
/// A watch fired: path and token.
pub const XS_WATCH_EVENT: u32 = 15;
/// The request failed: name of an errno.
pub const XS_ERROR: u32 = 16;

/// Bytes of either ring.
pub const XENSTORE_RING_SIZE: usize = 1024;
/// Largest payload of a message.
pub const XENSTORE_PAYLOAD_MAX: usize = 4096;
/// Longest relative path.
pub const XENSTORE_REL_PATH_MAX: usize = 2048;

/// Bytes of `struct xsd_sockmsg`: type, request, transaction, payload length, 32 bits each.
pub const HEADER_SIZE: usize = 16;

/// `struct xenstore_domain_interface`, up to the indices.
#[repr(C)]
pub struct DomainInterface {
    /// Requests.
    pub req: [AtomicU8; XENSTORE_RING_SIZE],
    /// Replies and watch events.
    pub rsp: [AtomicU8; XENSTORE_RING_SIZE],
    /// Consumer of the requests: the daemon.
    pub req_cons: AtomicU32,
    /// Producer of the requests: the guest.
    pub req_prod: AtomicU32,
    /// Consumer of the replies: the guest.
    pub rsp_cons: AtomicU32,
    /// Producer of the replies: the daemon.
    pub rsp_prod: AtomicU32,
}

const _: () = {
    assert!(offset_of!(DomainInterface, rsp) == 1024);
    assert!(offset_of!(DomainInterface, req_cons) == 2048);
    assert!(size_of::<DomainInterface>() == 2064);
};
