//! What a Linux guest's kernel says of a device that went wrong.

use crate::error::Error;
use crate::xenstore::{Store, Transaction};

/// Where it says so, in directories that it makes for that.
pub fn path(guest: u32, index: u32) -> String {
    format!("{}/error", directory(guest, index))
}

fn directory(guest: u32, index: u32) -> String {
    format!("/local/domain/{guest}/error/device/omx/{index}")
}

/// Removes what it has said, and its directories.
pub fn remove(store: &mut impl Store, t: Transaction, guest: u32, index: u32) -> Result<(), Error> {
    let mut directory = directory(guest, index);
    if store.read(t, &directory)?.is_none() {
        return Ok(());
    }
    store.remove(t, &directory)?;
    // The directories above are the kernel's, too, up to the one that the toolstack makes.
    for _ in ["omx", "device"] {
        directory.truncate(directory.rfind('/').unwrap_or_default());
        if store.list(t, &directory)?.is_empty() {
            store.remove(t, &directory)?;
        }
    }
    Ok(())
}
