//! Pages of guests under Xen: grants, mapped into the arena.

use alloc::string::{String, ToString};

use mx_ring::VolatileSlice;
use xen_pv_boot::foreign::{self, Arena, ForeignPages};
use xen_pv_boot::{DomId, GrantRef};

use crate::memory::{Access, GuestPages, PageMapper};

/// Maps grants of one guest.
pub struct GuestMemory {
    /// Where they are mapped.
    pub arena: Arena,
    /// Whose grants.
    pub guest: DomId,
}

impl PageMapper for GuestMemory {
    type Pages = ForeignPages;

    fn reserve(&self, pages: usize, access: Access) -> Option<ForeignPages> {
        let access = match access {
            Access::Read => foreign::Access::Read,
            Access::ReadWrite => foreign::Access::ReadWrite,
        };
        self.arena.reserve(self.guest, pages, access).ok()
    }

    fn is_short(&self) -> bool {
        xen_pv_boot::boot::heap_is_short()
    }
}

impl GuestPages for ForeignPages {
    fn map(&mut self, references: &[u32]) -> Result<(), String> {
        ForeignPages::map(self, references.iter().copied().map(GrantRef))
            .map_err(|error| error.to_string())
    }

    fn reserved(&self) -> usize {
        self.capacity()
    }

    fn mapped(&self) -> usize {
        self.pages()
    }

    fn slice(&self) -> VolatileSlice {
        ForeignPages::slice(self)
    }

    fn unmap_some(&mut self, pages: usize) -> bool {
        ForeignPages::unmap_some(self, pages)
    }
}
