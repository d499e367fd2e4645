//! Large messages that are being fetched.

use core::time::Duration;

use mx_ring::PullOrder;
use mx_wire::Rendezvous;

use crate::queue_port::Registered;
use crate::state::keys::{PartnerKey, RequestKey};

/// A large message that is being fetched.
#[derive(Debug)]
pub struct Pull {
    /// The receive that it completes.
    pub request: RequestKey,
    /// Whose message it is.
    pub partner: PartnerKey,
    /// The partner's relation: a later one knows nothing of this message.
    pub relation: u32,
    /// Bytes to fetch.
    pub length: u32,
    /// Where it is, as the partner said.
    pub offer: Rendezvous,
    /// Bytes that have been fetched: memory may be too scarce for all at once.
    pub done: u32,
    /// The memory that the board writes now.
    pub registered: Option<Registered>,
    /// When the board was told of it.
    pub began: Option<Duration>,
    /// Whether it is aborted because it took too long.
    pub expired: bool,
}

impl Pull {
    /// What a backend of that generation is asked for: to fetch what is still missing, as far as it fits into memory.
    pub fn order(&self, registered: &Registered, cookie: u32, backend: u32) -> PullOrder {
        PullOrder {
            region: registered.region,
            offset: registered.offset,
            length: registered.length,
            window: self.offer.window,
            window_seqnum: self.offer.window_seqnum,
            window_offset: u32::from(self.offer.window_offset).wrapping_add(self.done),
            cookie,
            backend,
        }
    }
}
