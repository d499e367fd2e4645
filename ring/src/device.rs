//! The frontend module's device: calls by `ioctl`.

use std::io;
use std::os::fd::AsFd;

use rustix::ioctl::{Opcode, Updater, ioctl};

use crate::uapi::{Call, IOCTL};

/// Makes a call on an open `/dev/open-mx`. The answer takes the place of the question; its own `error` is not looked at.
pub fn call(device: impl AsFd, call: &mut Call) -> io::Result<()> {
    // SAFETY: the request number names exactly this structure, by size and direction (`_IOWR`), and a driver of another
    // kind answers a foreign request number with ENOTTY.
    let request = unsafe { Updater::<{ IOCTL as Opcode }, Call>::new(call) };
    // SAFETY: as above.
    unsafe { ioctl(device, request) }?;
    Ok(())
}
