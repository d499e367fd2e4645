//! What travels through an endpoint's queues, as private values: [`Command`] from the library to the board, [`Event`]
//! back. [`crate::Descriptor`] is how they lie in memory. What passes on to the network, or comes from it, is said in the words
//! of `mx-wire`.

use core::fmt;

use mx_wire::{Connect, LibAck, Message, NackCode, NackLib, Pulled, TINY_MAX};

/// A registered region of an endpoint. The generation tells apart the successive uses of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct RegionKey {
    /// Slot in the endpoint's region table.
    pub slot: u16,
    /// Use of the slot.
    pub generation: u16,
}

/// How much of a message a window reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Reach {
    /// All of it, from the window's offset in its region on.
    #[default]
    Whole,
    /// A piece: the region starts with the byte of the message that the window's offset names, and holds what follows,
    /// as far as it is long enough. The region may go at any time.
    Piece,
    /// Nothing now. Whoever wants a byte asks the process for it ([`EventBody::Wanted`]), as beyond a piece.
    Nothing,
}

/// What makes a region visible to the network: an entry of the window page, valid from RNDV until NOTIFY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The region that holds the message, or a piece of it.
    pub region: RegionKey,
    /// The use of this window, as the RNDV named it.
    pub seqnum: u8,
    /// How much of the message is there.
    pub reach: Reach,
    /// Where the message starts in the region; of a piece, where the region starts in the message. In bytes.
    pub offset: u32,
    /// Length of the message in bytes.
    pub length: u32,
}

/// Where a command goes. The board stamps what says who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Destination {
    /// Index of the peer in the board's peer table.
    pub peer: u16,
    /// Endpoint of that peer.
    pub endpoint: u8,
    /// Session of that endpoint; 0 in a connect request, which asks for it.
    pub session: u32,
}

/// Where an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Origin {
    /// Index of the peer in the board's peer table.
    pub peer: u16,
    /// Endpoint of that peer.
    pub endpoint: u8,
    /// Whether that peer is a board of the same backend.
    pub local: bool,
}

/// From the library to its board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Where to. The default for what names nobody.
    pub to: Destination,
    /// What is to be done.
    pub body: CommandBody,
}

/// What a [`Command`] orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandBody {
    /// Send a message whose payload lies there. A rendezvous names a window of the endpoint, and no offset in it: the
    /// window has it.
    Message(Message, Place),
    /// Connect to an endpoint, or answer that. The board stamps the own session; a reply's destination has the session
    /// that the reply echoes.
    Connect(Connect),
    /// Send an explicit acknowledgement.
    Ack(LibAck),
    /// Pull the destination's window into a region of this endpoint.
    Pull(PullOrder),
    /// End a running pull: it is answered by a `PullDone` with [`PullStatus::Aborted`].
    AbortPull {
        /// As given to [`CommandBody::Pull`].
        cookie: u32,
    },
    /// The last words before the endpoint is closed, which the board repeats for a while to a partner that did not hear
    /// them. One for each notice of a partner, or one without.
    Leave(Farewell),
}

/// Where the payload of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the descriptor itself: a tiny message.
    Inline([u8; TINY_MAX]),
    /// From there on in the transmit area, or at that free-running byte position of the receive ring.
    At(u32),
    /// In the command-data slot of the same index (a small message), or nowhere, for there is none.
    Apart,
}

/// What is to be pulled, and where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullOrder {
    /// Own region that receives.
    pub region: RegionKey,
    /// Where in that region, in bytes.
    pub offset: u32,
    /// Bytes to pull, at least 1.
    pub length: u32,
    /// The peer's window.
    pub window: u8,
    /// The number of the use of the window that is meant.
    pub window_seqnum: u8,
    /// Where the message starts in the peer's window.
    pub window_offset: u32,
    /// Returned by [`EventBody::PullDone`].
    pub cookie: u32,
    /// The generation of the backend that is asked. Another one leaves this to a new order (interfaces §7): what it
    /// fetched late could reach a later message in the same memory.
    pub backend: u32,
}

/// What a partner is told that repeats what an endpoint had received before it was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// Everything before its number was received; the last explicit acknowledgement.
    pub ack: LibAck,
    /// A large message of the partner that was pulled, if it has not acknowledged to know that.
    pub notice: Option<Pulled>,
}

/// From the board to the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Where from. The default for what only the board says.
    pub from: Origin,
    /// What has happened.
    pub body: EventBody,
}

/// What an [`Event`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventBody {
    /// A message came; a small or medium one's payload lies in the receive ring.
    Message(Message, Place),
    /// A peer connects, or answers that. A reply's echo is to be compared with the own session.
    Connect {
        /// The peer's session.
        session: u32,
        /// What it says.
        connect: Connect,
    },
    /// A partner says how far it has received, in a frame of its own (TRUC).
    Ack(LibAck),
    /// A packet of ours was refused.
    Nack(NackLib),
    /// Somebody pulls bytes of a large message that its window does not reach ([`Reach`]). Told once for each place of
    /// the window; the pull goes on when the window reaches them.
    Wanted(Wanted),
    /// A pull has ended. The only event of the expected queue.
    PullDone(PullDone),
}

/// Bytes of a large message that somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Window id.
    pub window: u8,
    /// The number of the use of the window that is meant.
    pub window_seqnum: u8,
    /// The first byte that is wanted, within the message as the window alleges it.
    pub offset: u32,
}

/// The end of a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullDone {
    /// As given to [`CommandBody::Pull`].
    pub cookie: u32,
    /// How it ended.
    pub status: PullStatus,
    /// Bytes that arrived.
    pub transferred: u32,
}

/// How a pull ended (protocol.md §1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullStatus {
    /// All bytes have arrived (0).
    Done,
    /// The window's owner refused it (1 to 4, the codes of a nack).
    Refused(NackCode),
    /// It was given up: by order, or because memory was taken away (5).
    Aborted,
    /// Nobody answered (6).
    TimedOut,
}

impl PullStatus {
    /// The status of that number. One that no board knows is an abort.
    pub fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Done,
            6 => Self::TimedOut,
            _ => NackCode::from_byte(byte).map_or(Self::Aborted, Self::Refused),
        }
    }

    /// The number that stands for it in shared memory.
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused(code) => code as u8,
            Self::Aborted => 5,
            Self::TimedOut => 6,
        }
    }
}

impl From<NackCode> for PullStatus {
    fn from(code: NackCode) -> Self {
        Self::Refused(code)
    }
}

impl EventBody {
    /// A refusal by the number of its code. A number that no nack has counts as [`NackCode::BadWindow`], by which no library
    /// is refused: it is without effect.
    pub fn nack(code: u8, seq: u16) -> Self {
        let code = NackCode::from_byte(code).unwrap_or(NackCode::BadWindow);
        Self::Nack(NackLib { code, seq })
    }
}

impl Command {
    /// An order to the board itself.
    pub fn to_board(body: CommandBody) -> Self {
        Self {
            to: Destination::default(),
            body,
        }
    }

    /// The message to be sent, if it is one.
    #[inline]
    pub const fn message(&self) -> Option<&Message> {
        match &self.body {
            CommandBody::Message(message, _) => Some(message),
            _ => None,
        }
    }
}

impl Event {
    /// What only the board says.
    pub fn of_board(body: EventBody) -> Self {
        Self {
            from: Origin::default(),
            body,
        }
    }

    /// The message that came, if it is one.
    #[inline]
    pub const fn message(&self) -> Option<&Message> {
        match &self.body {
            EventBody::Message(message, _) => Some(message),
            _ => None,
        }
    }

    /// The position of its payload in the receive ring, and bytes of it, if it has one there.
    #[inline]
    pub const fn received(&self) -> Option<(u32, u16)> {
        match &self.body {
            EventBody::Message(message, Place::At(position)) => {
                Some((*position, message.content.length()))
            }
            _ => None,
        }
    }
}

impl fmt::Display for PullStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Refused(code) => write!(f, "refused, {code}"),
            Self::Aborted => f.write_str("aborted"),
            Self::TimedOut => f.write_str("timed out"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(position) => write!(f, " at {position}"),
            Self::Inline(_) | Self::Apart => Ok(()),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            peer,
            endpoint,
            session,
        } = self;
        write!(f, "to {peer}:{endpoint}, session {session:08x}")
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = if self.local { " here" } else { "" };
        write!(f, "from {}:{}{local}", self.peer, self.endpoint)
    }
}

/// One line, in the words of the frame that it becomes.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = &self.to;
        match &self.body {
            CommandBody::Message(message, place) => {
                write!(f, "{} {to}, {message}{place}", message.content.name())
            }
            CommandBody::Connect(connect) => write!(f, "{} {to}, {connect}", connect.name()),
            CommandBody::Ack(ack) => write!(f, "TRUC {to}, {ack}"),
            CommandBody::Pull(order) => write!(
                f,
                "pull {to}, {} bytes of window {} use {} at {} into region {}.{} at {}, cookie {}",
                order.length,
                order.window,
                order.window_seqnum,
                order.window_offset,
                order.region.slot,
                order.region.generation,
                order.offset,
                order.cookie
            ),
            CommandBody::AbortPull { cookie } => write!(f, "abort pull, cookie {cookie}"),
            CommandBody::Leave(farewell) => {
                write!(f, "leave {to}, {}", farewell.ack)?;
                match &farewell.notice {
                    Some(notice) => write!(f, ", {notice}"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// One line, in the words of the frame that it was.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = &self.from;
        match &self.body {
            EventBody::Message(message, place) => {
                write!(f, "{} {from}, {message}{place}", message.content.name())
            }
            EventBody::Connect { session, connect } => write!(
                f,
                "{} {from}, from session {session:08x}, {connect}",
                connect.name()
            ),
            EventBody::Ack(ack) => write!(f, "TRUC {from}, {ack}"),
            EventBody::Nack(nack) => write!(f, "NACK_LIB {from}, {nack}"),
            EventBody::Wanted(wanted) => write!(
                f,
                "wanted of window {} use {}: bytes from {} on",
                wanted.window, wanted.window_seqnum, wanted.offset
            ),
            EventBody::PullDone(done) => write!(
                f,
                "pull {}, cookie {}, {} bytes",
                done.status, done.cookie, done.transferred
            ),
        }
    }
}
