//! Receives that wait for their message.

use crate::state::keys::RequestKey;

/// A receive that no message has matched yet.
#[derive(Clone, Copy, Debug)]
pub struct PostedReceive {
    /// What it completes.
    pub request: RequestKey,
    /// What a message must have in the bits of the mask.
    pub match_info: u64,
    /// The bits that count, those of the context id among them.
    pub mask: u64,
}

impl PostedReceive {
    /// Whether it takes a message of this match info.
    #[inline]
    pub fn fits(&self, match_info: u64) -> bool {
        match_info & self.mask == self.match_info
    }
}
