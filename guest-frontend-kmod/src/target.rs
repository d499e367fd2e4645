//! The other end of a link.

use crate::kernel::DomainId;

/// The backend of a board, one of those that it has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The backend's domain.
    pub domain: DomainId,
    /// Which of the board's links it is.
    pub number: u32,
}
