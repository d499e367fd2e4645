//! What comes in sequence.

use crate::config::TINY_MAX;
use crate::state::counts::FrameKind;

/// What a sequenced event carries besides its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A whole tiny or small message.
    Eager {
        /// Match info.
        match_info: u64,
    },
    /// A fragment of a medium message.
    Fragment {
        /// Match info.
        match_info: u64,
        /// Bytes of the message.
        total: u32,
        /// Number of the fragment.
        number: u8,
    },
    /// A large message waits in a window of the partner.
    Rendezvous {
        /// Match info.
        match_info: u64,
        /// Bytes of the message.
        total: u32,
        /// The partner's window.
        window: u8,
        /// Its use.
        window_seqnum: u8,
        /// Where the message starts in it.
        window_offset: u16,
    },
    /// A large message of ours was pulled.
    Notify {
        /// Bytes that were transferred.
        transferred: u32,
        /// Our window.
        window: u8,
        /// Its use.
        window_seqnum: u8,
    },
}

impl Content {
    /// The kind of its frame, which carries that many bytes.
    #[inline]
    pub fn kind(&self, length: usize) -> FrameKind {
        match self {
            Self::Eager { .. } if length <= TINY_MAX as usize => FrameKind::Tiny,
            Self::Eager { .. } => FrameKind::Small,
            Self::Fragment { .. } => FrameKind::Medium,
            Self::Rendezvous { .. } => FrameKind::Rendezvous,
            Self::Notify { .. } => FrameKind::Notify,
        }
    }

    /// Number of the fragment; 0 for what has none.
    #[inline]
    pub fn fragment(&self) -> u8 {
        match self {
            Self::Fragment { number, .. } => *number,
            _ => 0,
        }
    }
}
