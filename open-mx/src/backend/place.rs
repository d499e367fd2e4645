//! Where boards are found.

use std::path::PathBuf;

/// Where the boards of this machine are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The frontend module of a Xen guest.
    Device(PathBuf),
    /// A running `omxd`.
    Socket(PathBuf),
}
