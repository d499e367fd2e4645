#![no_std]
//! Network cards, as the home of a board sees them: the [`Nic`] trait, the memory that cards read and write
//! ([`dma`]), and the drivers.
//!
//! | module | card |
//! |---|---|
//! | [`virtio`] | virtio-net, modern, over PCI (virtio 1.2) |
//! | [`fake`] | a pair of cards in memory, with seeded loss, reordering, duplication, corruption and truncation |
//!
//! Why it exists: the home wants bursts, scatter-gather from pages of guests, and an interrupt only when it sleeps;
//! no crate offers that for a bare machine. Its neighbours: a platform below (DMA memory, PCI), a home above. It
//! refuses to know what a frame means. Nothing that a card writes is believed: a length, an index or an identifier
//! that cannot be ends the card with a typed error, never the program.

extern crate alloc;

pub mod dma;
pub mod fake;
pub mod virtio;

use core::fmt;

/// An Ethernet address.
pub type MacAddress = [u8; 6];

/// What names a frame in flight; the sender chooses it, and gets it back when the card is done with the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Token(pub u64);

/// A piece of a frame in memory that the card reads by itself. It must stay as it is until the frame's [`Token`]
/// comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Bus address of the first byte.
    pub bus: u64,
    /// Length in bytes; a fragment must be contiguous for the card.
    pub len: u32,
}

/// What a card can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Name of the driver, for people.
    pub driver: &'static str,
    /// Longest frame in bytes, the Ethernet header included, the frame check not.
    pub max_frame: usize,
    /// Longest header (bytes that [`Nic::transmit`] copies).
    pub max_header: usize,
    /// Most fragments of a frame.
    pub max_fragments: usize,
    /// Frames that may be in flight to the wire.
    pub transmit_slots: usize,
}

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransmitError {
    /// All slots are in flight: try again when some are completed.
    Full,
    /// The frame is longer, or has more pieces, than the card's [`Capabilities`] say.
    TooLong,
    /// The card has failed.
    Device(DeviceError),
}

impl fmt::Display for TransmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("all transmit slots are in flight"),
            Self::TooLong => f.write_str("the frame is longer than the card can send"),
            Self::Device(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for TransmitError {}

/// A card that cannot go on. It was reset, and no longer touches memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceError {
    /// The card told an index that cannot be.
    Index(u16),
    /// The card gave back a buffer that it does not have.
    Buffer(u32),
    /// The card told a length beyond the buffer, or below the header.
    Length(u32),
    /// The card says itself that it needs a reset.
    NeedsReset,
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "the card moved an index to {index}, which cannot be"),
            Self::Buffer(id) => {
                write!(f, "the card gave back buffer {id}, which it does not have")
            }
            Self::Length(length) => write!(f, "the card told a length of {length} bytes"),
            Self::NeedsReset => f.write_str("the card says that it needs a reset"),
        }
    }
}

impl core::error::Error for DeviceError {}

/// Result of [`Nic::arm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Armed {
    /// Something came in the meantime: go on without sleeping.
    WorkPending,
    /// Nothing waits; the next thing raises an interrupt.
    Quiet,
}

/// A network card with one queue in each direction. It never blocks and never allocates after it was opened.
pub trait Nic {
    /// What the card can do.
    fn capabilities(&self) -> Capabilities;

    /// The card's own address. It takes frames to any address: each guest has one of its own.
    fn mac(&self) -> MacAddress;

    /// Whether there is a link.
    fn link(&mut self) -> bool;

    /// Puts a frame into the ring: `header` is copied, `fragments` are read by the card. [`Nic::flush`] tells the
    /// card. `token` comes back by [`Nic::completed`].
    fn transmit(
        &mut self,
        header: &[u8],
        fragments: &[Fragment],
        token: Token,
    ) -> Result<(), TransmitError>;

    /// Tells the card of the frames put into the ring since the last flush, if it wants to be told.
    fn flush(&mut self);

    /// Takes back frames that the card is done with; how many tokens were written.
    fn completed(&mut self, tokens: &mut [Token]) -> Result<usize, DeviceError>;

    /// Takes up to `max` frames that came in, and shows each to `each`; how many.
    fn receive(&mut self, max: usize, each: &mut dyn FnMut(&[u8])) -> Result<usize, DeviceError>;

    /// Asks for an interrupt at the next frame or completion, and looks once more.
    fn arm(&mut self) -> Result<Armed, DeviceError>;

    /// Work goes on: no interrupts.
    fn disarm(&mut self);
}
