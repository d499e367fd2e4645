//! What was sent more than once, and what came more than once.

use mx_wire::FrameKind;

/// A number for each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByKind([u64; FrameKind::ALL.len()]);

impl ByKind {
    /// How many of a kind.
    pub fn of(&self, kind: FrameKind) -> u64 {
        self.0[kind as usize]
    }

    #[inline]
    pub(crate) fn add(&mut self, kind: FrameKind, frames: u32) {
        self.0[kind as usize] += u64::from(frames);
    }
}

/// What an endpoint holds for the sake of messages and requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Requests, those that are done but untested among them.
    pub requests: usize,
    /// Messages on their way out, and notifies.
    pub messages: usize,
    /// Those of them that have completed their request.
    pub zombies: usize,
    /// Large messages that are fetched or will be.
    pub pulls: usize,
    /// Windows.
    pub windows: usize,
    /// Bytes of the transmit area.
    pub transmit: usize,
    /// Bytes of early and unexpected messages, with what they cost besides.
    pub kept: usize,
}

/// What an endpoint counts for those who watch it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames that were sent again.
    pub resent: ByKind,
    /// Frames that brought nothing new.
    pub duplicates: ByKind,
}
