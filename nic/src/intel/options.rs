//! What the owner of a card chooses.

/// How the card interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupts {
    /// Not at all: the owner looks from time to time.
    None,
    /// By MSI, which the owner has already enabled.
    Msi,
    /// By MSI-X, of which the owner has already enabled the first vector.
    MsiX,
}

/// How a card is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntelOptions {
    /// Longest frame in bytes, Ethernet header included. A card that takes less says so in its capabilities.
    pub max_frame: usize,
    /// Receive buffers, rounded up to a multiple of 8: 12 KiB each for frames of 9014 bytes, 2 KiB for frames of 1514.
    pub receive_buffers: u16,
    /// How it interrupts.
    pub interrupts: Interrupts,
}

impl Default for IntelOptions {
    /// Frames of an MTU of 9000, 256 buffers (3 MiB), no interrupts.
    fn default() -> Self {
        Self {
            max_frame: 9014,
            receive_buffers: 256,
            interrupts: Interrupts::None,
        }
    }
}
