//! What the kernel notes about registered memory, and what it is told of its use ([`mx_ring::registration`]).

use mx_ring::mapping::Mapping;
use mx_ring::registration::{RegionNotes, UseBits};
use mx_ring::{RegionKey, VolatileSlice, VolatileSliceError};

/// The marks of an endpoint's regions.
pub struct Marks {
    notes: RegionNotes,
    uses: UseBits,
    // The notes point into it.
    _page: Mapping,
}

impl Marks {
    /// Over the page of the notes and the endpoint's W area, which stays mapped as long as this is used.
    pub fn new(page: Mapping, w: VolatileSlice) -> Result<Self, VolatileSliceError> {
        Ok(Self {
            notes: RegionNotes::new(page.slice())?,
            uses: UseBits::new(w)?,
            _page: page,
        })
    }

    /// A message is to use a region. False when the process has changed the memory since it was registered.
    pub fn begin(&self, region: RegionKey) -> bool {
        self.uses.begin(&self.notes, region)
    }

    /// No message uses a region any more.
    pub fn end(&self, region: RegionKey) {
        self.uses.end(region);
    }

    /// Whether the memory of a region is what it was when it was registered.
    pub fn is_valid(&self, region: RegionKey) -> bool {
        self.notes.is_valid(region)
    }
}
