//! One Xen host at a time on one machine: two would starve each other, and their time limits would mean nothing.

use super::{client, control_socket};
use crate::error::Error;
use crate::lock;
use std::fs::File;

/// Waits until no other host runs on this machine, and keeps others out until the file is dropped. A host that this
/// checkout's `up` keeps does not end by itself, and is an error.
pub fn wait() -> Result<File, Error> {
    if client::is_up() {
        return Err(Error::HostRuns(control_socket()));
    }
    let path = std::env::temp_dir().join("xen2mx-lab.lock");
    lock::wait(&path, "another Xen host of a lab runs on this machine")
}
