//! Pages of guests, as far as serving a device needs to know of them.

use alloc::string::String;

use mx_ring::VolatileSlice;

/// What may be done with pages of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only read.
    Read,
    /// Read and written.
    ReadWrite,
}

/// Maps pages of one guest.
pub trait PageMapper {
    /// Pages that are mapped side by side.
    type Pages: GuestPages;

    /// Addresses for `pages` pages, with nothing mapped there yet; `None` when there is no room.
    fn reserve(&self, pages: usize, access: Access) -> Option<Self::Pages>;

    /// Whether there is so little memory for anything else that nobody is given more.
    fn is_short(&self) -> bool {
        false
    }
}

/// Pages of a guest, mapped side by side. Dropping them unmaps what is still mapped.
pub trait GuestPages {
    /// Maps the pages of these grant references behind those that are mapped already; all of them, or an error that
    /// says which is wrong and why.
    fn map(&mut self, references: &[u32]) -> Result<(), String>;

    /// Pages that addresses were reserved for.
    fn reserved(&self) -> usize;

    /// Pages mapped so far.
    fn mapped(&self) -> usize;

    /// The mapped pages as shared memory.
    fn slice(&self) -> VolatileSlice;

    /// Unmaps up to `pages` pages; true when none is left.
    fn unmap_some(&mut self, pages: usize) -> bool;
}
