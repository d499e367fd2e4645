//! The addresses whose frames are wanted, kept so that a card that was reset gets them again.

use alloc::vec::Vec;

use crate::MacAddress;

/// Addresses of each kind that the driver tells a card. The standard names no limit; QEMU's card compares with 64 in all
/// and takes everything beyond.
pub(super) const UNICAST: usize = 48;
pub(super) const MULTICAST: usize = 16;

/// What is wanted besides the card's own address and broadcasts.
pub(super) struct Filter {
    /// Addresses of single cards, and of groups.
    pub(super) unicast: Vec<MacAddress>,
    pub(super) multicast: Vec<MacAddress>,
    /// Whether frames to all addresses are wanted, or to all groups.
    pub(super) all: bool,
    pub(super) all_multicast: bool,
}

impl Filter {
    /// Everything is wanted.
    pub(super) fn all() -> Self {
        Self {
            unicast: Vec::with_capacity(UNICAST),
            multicast: Vec::with_capacity(MULTICAST),
            all: true,
            all_multicast: true,
        }
    }

    /// Only these are wanted, or everything of a kind of which there are too many.
    pub(super) fn set(&mut self, unicast: &[MacAddress], multicast: &[MacAddress]) {
        self.all = unicast.len() > UNICAST;
        self.all_multicast = multicast.len() > MULTICAST;
        self.unicast.clear();
        self.multicast.clear();
        if !self.all {
            self.unicast.extend_from_slice(unicast);
        }
        if !self.all_multicast {
            self.multicast.extend_from_slice(multicast);
        }
    }
}
