//! Large messages that are being fetched.

use core::time::Duration;

use crate::link::Exposure;
use crate::state::keys::{PartnerKey, RequestKey};

/// A large message that is being fetched.
#[derive(Debug)]
pub struct Pull {
    /// The receive.
    pub request: RequestKey,
    /// Whose message it is.
    pub partner: PartnerKey,
    /// The partner's relation: a later one knows nothing of this message.
    pub relation: u32,
    /// Bytes to fetch.
    pub length: u32,
    /// The partner's window.
    pub window: u8,
    /// Its use.
    pub window_seqnum: u8,
    /// Where the message starts in it.
    pub window_offset: u16,
    /// Bytes that have been fetched: memory may be too scarce for all at once.
    pub done: u32,
    /// The memory that the board writes now.
    pub exposure: Option<Exposure>,
    /// When the board was told of it.
    pub began: Option<Duration>,
    /// Whether it is aborted because it took too long.
    pub expired: bool,
}
