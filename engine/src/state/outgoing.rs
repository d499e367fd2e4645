//! Messages on their way out.

use alloc::boxed::Box;
use core::time::Duration;

use mx_wire::{Content, Eager, FrameKind, Message, Pulled, TINY_MAX};

use crate::memory::Memory;
use crate::state::exported::Exported;
use crate::state::keys::{PartnerKey, RequestKey};
use crate::state::sequence::Sequence;
use crate::state::transmit_space::Span;

/// A message until it needs nothing more of this side.
#[derive(Debug)]
pub struct Outgoing {
    /// Where it goes.
    pub partner: PartnerKey,
    /// Whom it completes; `None` once that is done.
    pub request: Option<RequestKey>,
    /// Whether it completed its request before it was acknowledged.
    pub zombie: bool,
    /// Its number, once it was sent.
    pub seq: Sequence,
    /// Transmissions so far.
    pub transmissions: u32,
    /// First transmission.
    pub first_sent: Duration,
    /// Last transmission.
    pub last_sent: Duration,
    /// What it is.
    pub body: Body,
}

impl Outgoing {
    /// What the board is to repeat when this endpoint is closed before it is acknowledged.
    pub fn notice(&self) -> Option<Pulled> {
        match self.body {
            Body::Bare(content) => Pulled::of(&Message {
                seq: self.seq.to_wire(),
                ack: 0,
                content,
            }),
            _ => None,
        }
    }

    /// Whether an acknowledgement is all that it waits for, and it holds nothing but itself.
    #[inline]
    pub fn is_over_when_acked(&self) -> bool {
        self.zombie && matches!(self.body, Body::Tiny { .. } | Body::Small { .. })
    }

    /// Commands of one transmission.
    #[inline]
    pub fn commands(&self, fragment: u32) -> u32 {
        match &self.body {
            Body::Medium { total, .. } => total.div_ceil(fragment),
            _ => 1,
        }
    }
}

/// What a message is made of.
#[derive(Debug)]
pub enum Body {
    /// A message in the command.
    Tiny {
        /// What is said of it.
        eager: Eager,
        /// The bytes of the message, of which the first `eager.length` count.
        data: [u8; TINY_MAX],
    },
    /// A message in a command-data slot.
    Small {
        /// What is said of it.
        eager: Eager,
        /// The bytes of the message.
        data: Box<[u8]>,
    },
    /// A message in the transmit area.
    Medium {
        /// Match info.
        match_info: u64,
        /// Bytes of it.
        total: u32,
        /// Where it comes from, until it was copied.
        memory: Option<Memory>,
        /// Where it was copied to.
        span: Option<Span>,
        /// Index behind the last command that reads it.
        commands_end: u32,
    },
    /// A message that the partner pulls.
    Large {
        /// Match info.
        match_info: u64,
        /// Bytes of it.
        total: u32,
        /// Where it is.
        memory: Memory,
        /// Its window, once there is one. Apart, so that it makes no short message longer.
        exported: Option<Box<Exported>>,
        /// Whether the partner has acknowledged the rendezvous.
        acked: bool,
        /// How much the partner says it has pulled, once it has.
        notified: Option<u32>,
    },
    /// What needs nothing but its words: that a large message of the partner was pulled.
    Bare(Content),
}

impl Body {
    /// The type of its frames as Open-MX calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tiny { .. } => "TINY",
            Self::Small { .. } => "SMALL",
            Self::Medium { .. } => "MEDIUM",
            Self::Large { .. } => "RNDV",
            Self::Bare(content) => content.name(),
        }
    }

    /// The kind of its frames.
    #[inline]
    pub fn kind(&self) -> FrameKind {
        match self {
            Self::Tiny { .. } => FrameKind::Tiny,
            Self::Small { .. } => FrameKind::Small,
            Self::Medium { .. } => FrameKind::Medium,
            Self::Large { .. } => FrameKind::Rendezvous,
            Self::Bare(content) => content.kind(),
        }
    }
}
