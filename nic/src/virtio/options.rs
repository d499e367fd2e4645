//! What the owner of a card chooses.

use super::ring::MAX_SIZE;

/// How the card interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupts {
    /// Not at all: the owner looks from time to time.
    None,
    /// By its line, which [`Nic::acknowledge`](crate::Nic::acknowledge) releases.
    Line,
    /// By MSI-X, which the owner has already enabled; the vectors may be the same.
    Vectors {
        /// Entry of the MSI-X table for changes of link and configuration.
        configuration: u16,
        /// Entry for frames that came in, on any queue.
        receive: u16,
        /// Entry for frames that were sent, on any queue.
        transmit: u16,
    },
}

/// How a card is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtioOptions {
    /// Longest frame in bytes, Ethernet header included. A card that takes less says so in its capabilities.
    pub max_frame: usize,
    /// Most receive buffers of a queue. For frames of 9014 bytes they have 4.5 KiB each where the card can put a frame
    /// into several, else 12 KiB; for frames of 1514 bytes 2 KiB.
    pub receive_buffers: u16,
    /// Pairs of queues, at least 1. A card that has fewer says so in its capabilities. Which queue a frame comes in by
    /// is the card's choice: all of them must be looked at.
    pub queue_pairs: u16,
    /// How it interrupts.
    pub interrupts: Interrupts,
}

impl Default for VirtioOptions {
    /// Frames of an MTU of 9000, 256 buffers (1.25 MiB, or 3), one pair of queues, no interrupts.
    fn default() -> Self {
        Self {
            max_frame: 9014,
            receive_buffers: MAX_SIZE,
            queue_pairs: 1,
            interrupts: Interrupts::None,
        }
    }
}
