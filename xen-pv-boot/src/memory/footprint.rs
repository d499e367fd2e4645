//! How a program divides its domain's memory, and how many addresses it has for others' pages.

use super::{PAGES_PER_TABLE, WINDOW_OFFSET};

/// What a program needs. It says so where it names its entry ([`crate::entry!`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Addresses for foreign pages, in pages: rounded up to whole page tables of 512, at most 1 GiB. Each costs 16 bytes of
    /// the domain's memory.
    pub arena_pages: usize,
    /// Frames of the own grant table, with 512 entries each, eight of them the tools'. Xen allows 64 unless its
    /// configuration says otherwise.
    pub grant_frames: usize,
    /// One part of so many of the free memory is for devices and for sharing, and the rest for the heap.
    pub device_share: u64,
    /// The most pages for devices and for sharing.
    pub device_pages_max: u64,
}

impl Footprint {
    /// A domain that maps much of others, and grants little: 1 GiB of addresses, which take 4 MiB of memory; a quarter, but
    /// not more than 32 MiB, is for devices.
    pub const BACKEND: Self = Self {
        arena_pages: WINDOW_OFFSET,
        grant_frames: 1,
        device_share: 4,
        device_pages_max: 8192,
    };

    /// A small domain that maps nothing of others, and grants half of its memory. 4 MiB are enough to start.
    pub const FRONTEND: Self = Self {
        arena_pages: 0,
        grant_frames: 4,
        device_share: 2,
        device_pages_max: u64::MAX,
    };

    /// Page tables of the arena.
    pub(crate) const fn arena_tables(&self) -> usize {
        let pages = if self.arena_pages < WINDOW_OFFSET {
            self.arena_pages
        } else {
            WINDOW_OFFSET
        };
        pages.div_ceil(PAGES_PER_TABLE)
    }

    /// Of `free` pages, those for devices and for sharing.
    pub(crate) fn device_pages(&self, free: u64) -> u64 {
        (free / self.device_share.max(1)).min(self.device_pages_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_backend_has_a_gibibyte_of_addresses_and_a_frontend_none() {
        assert_eq!(Footprint::BACKEND.arena_tables(), 512);
        assert_eq!(Footprint::FRONTEND.arena_tables(), 0);
    }

    proptest! {
        #[test]
        fn no_footprint_reaches_beyond_the_arena_or_the_memory(
            arena_pages: usize,
            device_share: u64,
            device_pages_max: u64,
            free: u64,
        ) {
            let footprint = Footprint { arena_pages, grant_frames: 1, device_share, device_pages_max };
            prop_assert!(footprint.arena_tables() * PAGES_PER_TABLE <= WINDOW_OFFSET);
            prop_assert!(footprint.device_pages(free) <= free);
        }
    }
}
