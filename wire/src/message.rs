//! What two libraries tell each other in sequence, whatever frame it travels in.

use core::fmt;

use crate::build::{Header, announced};
use crate::envelope::Envelope;
use crate::header::{Ethernet, Matching, Start, kind};
use crate::{BuildError, Eager, Ends, Format, Frame, Medium, Notify, ParseError, Rendezvous};

/// A message of one library to another, or a part of one: it has a number, and acknowledges what came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The library's sequence number.
    pub seq: u16,
    /// Piggybacked acknowledgement: the number that is expected next.
    pub ack: u16,
    /// What it says.
    pub content: Content,
}

/// What a [`Message`] says, without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// TINY (37).
    Tiny(Eager),
    /// SMALL (38).
    Small(Eager),
    /// MEDIUM (39).
    Medium(Medium),
    /// RNDV (40).
    Rendezvous(Rendezvous),
    /// NOTIFY (43).
    Notify(Notify),
}

/// Kinds of frames that a library sends again until they are answered.
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
    pub const fn name(self) -> &'static str {
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

impl Content {
    /// The kind of its frame.
    pub const fn kind(&self) -> FrameKind {
        match self {
            Self::Tiny(_) => FrameKind::Tiny,
            Self::Small(_) => FrameKind::Small,
            Self::Medium(_) => FrameKind::Medium,
            Self::Rendezvous(_) => FrameKind::Rendezvous,
            Self::Notify(_) => FrameKind::Notify,
        }
    }

    /// Its type as Open-MX calls it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Tiny(_) => "TINY",
            Self::Small(_) => "SMALL",
            Self::Medium(_) => "MEDIUM",
            Self::Rendezvous(_) => "RNDV",
            Self::Notify(_) => "NOTIFY",
        }
    }

    /// Payload bytes that follow.
    #[inline]
    pub const fn length(&self) -> u16 {
        match self {
            Self::Tiny(m) | Self::Small(m) => m.length,
            Self::Medium(m) => m.length,
            Self::Rendezvous(_) | Self::Notify(_) => 0,
        }
    }

    /// Whether it says how something went that its receiver began: NOTIFY, of a RNDV.
    pub const fn is_answer(&self) -> bool {
        matches!(self, Self::Notify(_))
    }

    /// Reads the body of one of these types.
    #[inline]
    pub(crate) fn parse<'a>(
        frame: Envelope,
        format: &Format,
        kind: u8,
        body: &'a [u8],
    ) -> Result<Frame<'a>, ParseError> {
        match kind {
            kind::TINY => Eager::parse(frame, body, kind, Self::Tiny),
            kind::SMALL => Eager::parse(frame, body, kind, Self::Small),
            kind::MEDIUM => Medium::parse(frame, format, body),
            kind::RNDV => Rendezvous::parse(frame, body),
            _ => Notify::parse(frame, body),
        }
    }
}

impl Message {
    #[inline]
    pub(crate) fn header(
        &self,
        format: &Format,
        ethernet: &Ethernet,
        ends: Ends,
        session: u32,
        payload: usize,
    ) -> Result<Header, BuildError> {
        let start = |kind| Start::new(kind, ends);
        let matching = |match_info: u64| Matching {
            seq: self.seq.into(),
            ack: self.ack.into(),
            match_info: match_info.into(),
            session: session.into(),
        };
        let eager = |kind, m: &Eager| {
            let data = announced(m.length, payload)?;
            let layout = m.layout(start(kind), matching(m.match_info))?;
            Ok(Header::new(ethernet, &layout, data))
        };
        match &self.content {
            Content::Tiny(m) => eager(kind::TINY, m),
            Content::Small(m) => eager(kind::SMALL, m),
            Content::Medium(m) => {
                let data = announced(m.length, payload)?;
                let layout = m.layout(format, start(kind::MEDIUM), matching(m.match_info))?;
                Ok(Header::new(ethernet, &layout, data))
            }
            Content::Rendezvous(m) => {
                let none = announced(0, payload)?;
                let layout = m.layout(start(kind::RNDV), matching(m.match_info));
                Ok(Header::new(ethernet, &layout, none))
            }
            Content::Notify(m) => {
                let none = announced(0, payload)?;
                let layout = m.layout(start(kind::NOTIFY), session, self.seq, self.ack);
                Ok(Header::new(ethernet, &layout, none))
            }
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tiny(m) | Self::Small(m) => m.fmt(f),
            Self::Medium(m) => m.fmt(f),
            Self::Rendezvous(m) => m.fmt(f),
            Self::Notify(m) => m.fmt(f),
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seq {}, ack {}, {}", self.seq, self.ack, self.content)
    }
}
