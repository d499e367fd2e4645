//! Which messages a receive or a probe wants.

use crate::state::keys::PartnerKey;

/// Which messages a receive or a probe wants: those whose match info is `match_info` in the bits of `mask`, of one partner or
/// of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// What a message must have in the bits of the mask; 0 in all others.
    pub match_info: u64,
    /// The bits that count.
    pub mask: u64,
    /// Whose messages, if not everybody's.
    pub from: Option<PartnerKey>,
}

impl Selection {
    /// Everybody's messages with this match info.
    #[inline]
    pub fn new(match_info: u64, mask: u64) -> Self {
        Self {
            match_info,
            mask,
            from: None,
        }
    }

    /// Whether a message of that match info and partner is wanted.
    #[inline]
    pub fn wants(&self, match_info: u64, partner: PartnerKey) -> bool {
        match_info & self.mask == self.match_info && self.from.is_none_or(|from| from == partner)
    }
}
