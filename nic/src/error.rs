//! What can go wrong with a card.

use core::fmt;

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransmitError {
    /// The queue is full: try again after [`Nic::completed`](crate::Nic::completed) gave frames back.
    Full,
    /// The frame does not fit [`Capabilities`](crate::Capabilities) (too long, too many pieces, an empty piece, or no
    /// such queue): the sender must cut it differently; it will never be taken as it is.
    Unfit,
    /// The card was stopped, see [`Nic::fault`](crate::Nic::fault).
    Stopped,
}

impl fmt::Display for TransmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the transmit queue is full: try again after frames were completed",
            Self::Unfit => {
                "the frame does not fit the card: too long, too many pieces, or no such queue"
            }
            Self::Stopped => "the card was stopped after a fault",
        })
    }
}

impl core::error::Error for TransmitError {}

/// Why a card was stopped. Each one means that the card cannot be trusted with memory any more; the way out is to open
/// it again, or another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The card says that it used more buffers than it was given.
    Index {
        /// Buffers that it says it used.
        claimed: u16,
        /// Buffers that it had.
        given: u16,
    },
    /// The card gave back a buffer that it does not have.
    Buffer {
        /// The number that the card gave for the buffer.
        id: u32,
    },
    /// The card says that it wrote more bytes than the buffer has, or fewer than its own header takes.
    Length {
        /// Bytes that it says it wrote.
        claimed: u32,
        /// Bytes of the buffer.
        size: u32,
    },
    /// The card says that a frame lies in more buffers than it gave back with it, or in none.
    Pieces {
        /// Buffers that it says the frame has.
        claimed: u16,
        /// Buffers that it gave back.
        came: u16,
    },
    /// The card does not answer a command.
    Silent,
    /// The card says by itself that it needs a reset.
    NeedsReset,
    /// The card holds frames and sends none, though its link is up.
    Hung,
    /// The card no longer answers: all its registers read as ones.
    Vanished,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index { claimed, given } => {
                write!(
                    f,
                    "the card used {claimed} buffers of {given}; open it again"
                )
            }
            Self::Buffer { id } => {
                write!(
                    f,
                    "the card gave back buffer {id}, which it does not have; open it again"
                )
            }
            Self::Length { claimed, size } => {
                write!(
                    f,
                    "the card wrote {claimed} bytes into a buffer of {size}; open it again"
                )
            }
            Self::Pieces { claimed, came } => {
                write!(
                    f,
                    "the card says that a frame has {claimed} buffers and gave back {came}; open it again"
                )
            }
            Self::Silent => f.write_str("the card does not answer a command; recover it"),
            Self::NeedsReset => f.write_str("the card asks for a reset; open it again"),
            Self::Hung => f.write_str("the card sends no more frames; recover it"),
            Self::Vanished => f.write_str("the card no longer answers; was it detached?"),
        }
    }
}

impl core::error::Error for Fault {}

/// Why a card could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// No card of this kind is at the given place.
    NotThisCard {
        /// PCI vendor that was found.
        vendor: u16,
        /// PCI device that was found.
        device: u16,
    },
    /// The card lacks a register block, or describes one that lies outside of its memory.
    Registers(&'static str),
    /// The platform could not map the card's registers.
    NotMapped {
        /// Bus address of the registers.
        bus: u64,
    },
    /// The card lacks a feature that the driver cannot do without.
    Feature(&'static str),
    /// The card refused the features that it had offered.
    Negotiation,
    /// A queue of the card is missing, or too small to work with.
    Queue {
        /// Number of the queue.
        queue: u16,
        /// Entries that it has.
        size: u16,
    },
    /// The options ask for frames that are shorter than an Ethernet frame or longer than a receive buffer.
    FrameSize {
        /// Bytes asked for.
        asked: usize,
    },
    /// No memory for the rings and buffers; give the domain more memory, or ask for fewer buffers.
    OutOfMemory,
    /// The card did not finish its reset.
    Reset,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotThisCard { vendor, device } => {
                write!(f, "{vendor:04x}:{device:04x} is not a card of this driver")
            }
            Self::Registers(what) => write!(f, "the card's registers cannot be used: {what}"),
            Self::NotMapped { bus } => write!(
                f,
                "the registers at {bus:#x} could not be mapped; was the card assigned to this domain?"
            ),
            Self::Feature(what) => write!(f, "the card lacks {what}"),
            Self::Negotiation => f.write_str("the card refused the features that it had offered"),
            Self::Queue { queue, size } => {
                write!(
                    f,
                    "queue {queue} of the card has {size} entries, which is too few"
                )
            }
            Self::FrameSize { asked } => write!(
                f,
                "frames of {asked} bytes are not possible; an Ethernet frame has 60 to 12000"
            ),
            Self::OutOfMemory => {
                f.write_str("no memory for the card's rings; give the domain more")
            }
            Self::Reset => f.write_str("the card did not finish its reset"),
        }
    }
}

impl core::error::Error for OpenError {}
