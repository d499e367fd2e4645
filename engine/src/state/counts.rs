//! What was sent more than once, and what came more than once.

/// Kinds of frames between two libraries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Connect requests and replies.
    Connect,
    /// Tiny messages.
    Tiny,
    /// Small messages.
    Small,
    /// Fragments of medium messages.
    Medium,
    /// Announcements of large messages.
    Rendezvous,
    /// Ends of large messages.
    Notify,
}

impl FrameKind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::Connect,
        Self::Tiny,
        Self::Small,
        Self::Medium,
        Self::Rendezvous,
        Self::Notify,
    ];

    /// Its name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tiny => "tiny",
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Rendezvous => "rendezvous",
            Self::Notify => "notify",
        }
    }
}

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
