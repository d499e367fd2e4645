//! `io/console.h`: the console ring, a page shared with the console daemon.

use core::mem::{offset_of, size_of};
use core::sync::atomic::{AtomicU8, AtomicU32};

/// Bytes of the input ring.
pub const IN_SIZE: usize = 1024;
/// Bytes of the output ring.
pub const OUT_SIZE: usize = 2048;

/// `struct xencons_interface`. Indices are free-running; the ring sizes are powers of two.
#[repr(C)]
pub struct ConsoleInterface {
    /// From the daemon.
    pub input: [AtomicU8; IN_SIZE],
    /// To the daemon.
    pub output: [AtomicU8; OUT_SIZE],
    /// Consumer of the input: the guest.
    pub in_cons: AtomicU32,
    /// Producer of the input: the daemon.
    pub in_prod: AtomicU32,
    /// Consumer of the output: the daemon.
    pub out_cons: AtomicU32,
    /// Producer of the output: the guest.
    pub out_prod: AtomicU32,
}

const _: () = {
    assert!(offset_of!(ConsoleInterface, output) == 1024);
    assert!(offset_of!(ConsoleInterface, in_cons) == 3072);
    assert!(offset_of!(ConsoleInterface, out_cons) == 3080);
    assert!(size_of::<ConsoleInterface>() == 3088);
};
