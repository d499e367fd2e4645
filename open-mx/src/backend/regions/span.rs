//! Memory that is registered by its address.

use mx_ring::{PAGE_SIZE, VolatileSlice};

/// Memory of the process, by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: u64,
    pub length: u32,
    pub writable: bool,
}

impl Span {
    /// The whole pages around a message, so that its neighbours find them registered.
    pub fn around(slice: &VolatileSlice, length: u32, writable: bool) -> Self {
        let page = PAGE_SIZE as u64;
        let start = slice.address() as u64;
        let end = start + u64::from(length);
        let first = start / page * page;
        let pages = end.next_multiple_of(page) - first;
        match u32::try_from(pages) {
            Ok(pages) => Self {
                start: first,
                length: pages,
                writable,
            },
            // Almost 4 GiB: the message alone.
            Err(_) => Self {
                start,
                length,
                writable,
            },
        }
    }

    /// The address behind it.
    pub fn end(&self) -> u64 {
        self.start + u64::from(self.length)
    }

    /// Whether what is registered as this serves for the other, too.
    pub fn holds(&self, other: &Self) -> bool {
        self.start <= other.start && other.end() <= self.end() && (self.writable || !other.writable)
    }
}
