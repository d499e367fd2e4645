//! Pages of a guest, and what its account is charged with as long as they are there.

use alloc::string::String;

use mx_ring::VolatileSlice;

use crate::account::Charge;
use crate::memory::GuestPages;

/// Pages, and the charge for them and for what they are part of.
pub(super) struct Counted<P> {
    pub(super) pages: P,
    pub(super) _charge: Charge,
}

impl<P: GuestPages> GuestPages for Counted<P> {
    fn map(&mut self, references: &[u32]) -> Result<(), String> {
        self.pages.map(references)
    }

    fn reserved(&self) -> usize {
        self.pages.reserved()
    }

    fn mapped(&self) -> usize {
        self.pages.mapped()
    }

    fn slice(&self) -> VolatileSlice {
        self.pages.slice()
    }

    fn unmap_some(&mut self, pages: usize) -> bool {
        self.pages.unmap_some(pages)
    }
}
