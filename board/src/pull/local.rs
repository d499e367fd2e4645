//! A pull from a board of the same backend: the bytes are copied from region to region, a slice at a turn.

use mx_ring::{Destination, PullOrder, Window};

use super::backoff::Backoff;
use crate::key::EndpointKey;
use crate::time::Instant;

/// Bytes that one turn copies, so that a large message does not stall everyone else.
const COPY_SLICE: u32 = 32 << 10;

/// A pull between two local endpoints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalPull {
    /// The window's owner, as the process named it.
    pub to: Destination,
    pub order: PullOrder,
    /// Whose window is read.
    pub owner: EndpointKey,
    /// Bytes that are copied.
    pub done: u32,
    /// The window as it was when its process was told that the next slice is wanted.
    pub window_told: Option<Window>,
    pub backoff: Backoff,
    /// When the window is looked at again.
    pub look_at: Instant,
}

impl LocalPull {
    /// Bytes of the next slice.
    pub fn slice(&self) -> u32 {
        (self.order.length - self.done).min(COPY_SLICE)
    }
}
