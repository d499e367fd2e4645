//! What can go wrong with a card.

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransmitError {
    /// The queue is full: try again after [`Nic::completed`](crate::Nic::completed) gave frames back.
    #[error("the transmit queue is full: try again after frames were completed")]
    Full,
    /// The frame does not fit [`Capabilities`](crate::Capabilities) (too long, too many pieces, an empty piece, or no
    /// such queue): the sender must cut it differently; it will never be taken as it is.
    #[error("the frame does not fit the card: too long, too many pieces, or no such queue")]
    Unfit,
    /// The card was stopped, see [`Nic::fault`](crate::Nic::fault).
    #[error("the card was stopped after a fault")]
    Stopped,
}

/// Why a card was stopped. Each one means that the card cannot be trusted with memory any more; the way out is to open
/// it again, or another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The card says that it used more buffers than it was given.
    #[error("the card used {claimed} buffers of {given}; open it again")]
    Index {
        /// Buffers that it says it used.
        claimed: u16,
        /// Buffers that it had.
        given: u16,
    },
    /// The card gave back a buffer that it does not have.
    #[error("the card gave back buffer {id}, which it does not have; open it again")]
    Buffer {
        /// The number that the card gave for the buffer.
        id: u32,
    },
    /// The card says that it wrote more bytes than the buffer has, or fewer than its own header takes.
    #[error("the card wrote {claimed} bytes into a buffer of {size}; open it again")]
    Length {
        /// Bytes that it says it wrote.
        claimed: u32,
        /// Bytes of the buffer.
        size: u32,
    },
    /// The card says that a frame lies in more buffers than it gave back with it, or in none.
    #[error("the card says that a frame has {claimed} buffers and gave back {came}; open it again")]
    Pieces {
        /// Buffers that it says the frame has.
        claimed: u16,
        /// Buffers that it gave back.
        came: u16,
    },
    /// The card does not answer a command.
    #[error("the card does not answer a command; recover it")]
    Silent,
    /// The card says by itself that it needs a reset.
    #[error("the card asks for a reset; open it again")]
    NeedsReset,
    /// The card holds frames and sends none, though its link is up.
    #[error("the card sends no more frames; recover it")]
    Hung,
    /// The card no longer answers: all its registers read as ones.
    #[error("the card no longer answers; was it detached?")]
    Vanished,
}

/// Why a card could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// No card of this kind is at the given place.
    #[error("{vendor:04x}:{device:04x} is not a card of this driver")]
    NotThisCard {
        /// PCI vendor that was found.
        vendor: u16,
        /// PCI device that was found.
        device: u16,
    },
    /// The card lacks a register block, or describes one that lies outside of its memory.
    #[error("the card's registers cannot be used: {0}")]
    Registers(&'static str),
    /// The platform could not map the card's registers.
    #[error("the registers at {bus:#x} could not be mapped; was the card assigned to this domain?")]
    NotMapped {
        /// Bus address of the registers.
        bus: u64,
    },
    /// The card lacks a feature that the driver cannot do without.
    #[error("the card lacks {0}")]
    Feature(&'static str),
    /// The card refused the features that it had offered.
    #[error("the card refused the features that it had offered")]
    Negotiation,
    /// A queue of the card is missing, or too small to work with.
    #[error("queue {queue} of the card has {size} entries, which is too few")]
    Queue {
        /// Number of the queue.
        queue: u16,
        /// Entries that it has.
        size: u16,
    },
    /// The options ask for frames that are shorter than an Ethernet frame or longer than a receive buffer.
    #[error("frames of {asked} bytes are not possible; an Ethernet frame has 60 to 12000")]
    FrameSize {
        /// Bytes asked for.
        asked: usize,
    },
    /// No memory for the rings and buffers; give the domain more memory, or ask for fewer buffers.
    #[error("no memory for the card's rings; give the domain more")]
    OutOfMemory,
    /// The card did not finish its reset.
    #[error("the card did not finish its reset")]
    Reset,
}
