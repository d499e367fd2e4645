//! A guest: its memory, its grants, and which of its pages are mapped.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::format;
use std::rc::Rc;
use std::string::String;
use std::vec::Vec;

use mx_ring::control::{DEVICE_PAGES, ModuleControl};
use mx_ring::mapping::Memfd;
use mx_ring::{PAGE_SIZE, VolatileSlice};

use crate::memory::{Access, GuestPages, PageMapper};

/// Memory of a guest in pages, unless it is to have more. Page `n` is granted by reference `n + FIRST_REF`.
pub const GUEST_PAGES: usize = 1200;
/// The reference of the guest's first page.
pub const FIRST_REF: u32 = 100;
/// Where the guest keeps the pages of endpoints and regions, behind its device pages.
pub const DATA_PAGE: usize = DEVICE_PAGES;

/// A guest: its memory, and which of its pages are mapped by somebody else.
#[derive(Clone)]
pub struct Guest {
    memory: Rc<Memfd>,
    pages: usize,
    /// Pages that are mapped; those that are mapped twice stand there twice.
    pub mapped: Rc<RefCell<Vec<usize>>>,
    /// Pages that addresses are reserved for.
    pub reserved: Rc<Cell<usize>>,
    /// References that cannot be mapped.
    pub refused: Rc<RefCell<BTreeSet<u32>>>,
}

impl Guest {
    /// A guest with zeroed memory. `None` without memory for it.
    pub fn new() -> Option<Self> {
        Self::with_pages(GUEST_PAGES)
    }

    /// One with so many pages.
    pub fn with_pages(pages: usize) -> Option<Self> {
        let memory = Memfd::create("guest", pages * PAGE_SIZE).ok()?;
        Some(Self {
            memory: Rc::new(memory),
            pages,
            mapped: Rc::default(),
            reserved: Rc::default(),
            refused: Rc::default(),
        })
    }

    /// Adjacent pages.
    ///
    /// # Panics
    /// Beyond its memory.
    pub fn slice(&self, page: usize, pages: usize) -> VolatileSlice {
        let part = self
            .memory
            .slice()
            .part(page * PAGE_SIZE, pages * PAGE_SIZE);
        part.expect("pages of the guest")
    }

    /// References of `count` pages from `page` on.
    pub fn refs(page: usize, count: usize) -> Vec<u32> {
        (0..count)
            .map(|at| FIRST_REF + (page + at) as u32)
            .collect()
    }

    /// Formats the device pages, as the guest's module does; its side of the control ring.
    pub fn format(&self) -> ModuleControl {
        let mut refs = [0; DEVICE_PAGES];
        refs.copy_from_slice(&Self::refs(0, DEVICE_PAGES));
        let control = ModuleControl::format(self.slice(0, 1), self.slice(1, 1), &refs, false);
        control.expect("whole pages")
    }
}

/// Pages of the guest, "mapped". The model can only map neighbours side by side, so references in another order are
/// bad ones.
pub struct Mapped {
    guest: Guest,
    reserved: usize,
    pages: Vec<usize>,
}

impl PageMapper for Guest {
    type Pages = Mapped;

    fn reserve(&self, pages: usize, _: Access) -> Option<Mapped> {
        if pages == 0 || pages > 100_000 {
            return None;
        }
        self.reserved.set(self.reserved.get() + pages);
        Some(Mapped {
            guest: self.clone(),
            reserved: pages,
            pages: Vec::new(),
        })
    }
}

impl GuestPages for Mapped {
    fn map(&mut self, references: &[u32]) -> Result<(), String> {
        assert!(
            self.pages.len() + references.len() <= self.reserved,
            "more is mapped than there are addresses for"
        );
        let before = self.pages.len();
        for reference in references {
            let page = reference.wrapping_sub(FIRST_REF) as usize;
            let neighbour = self.pages.last().is_none_or(|last| last + 1 == page);
            if page >= self.guest.pages
                || !neighbour
                || self.guest.refused.borrow().contains(reference)
            {
                self.unmap_some(self.pages.len() - before);
                return Err(format!("reference {reference}"));
            }
            self.pages.push(page);
            self.guest.mapped.borrow_mut().push(page);
        }
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.reserved
    }

    fn mapped(&self) -> usize {
        self.pages.len()
    }

    fn slice(&self) -> VolatileSlice {
        self.guest
            .slice(self.pages.first().copied().unwrap_or(0), self.pages.len())
    }

    fn unmap_some(&mut self, pages: usize) -> bool {
        for _ in 0..pages {
            let Some(page) = self.pages.pop() else { break };
            let mut mapped = self.guest.mapped.borrow_mut();
            let at = mapped.iter().rposition(|other| *other == page);
            mapped.swap_remove(at.expect("a page that is unmapped was mapped"));
        }
        self.pages.is_empty()
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        self.unmap_some(usize::MAX);
        self.guest
            .reserved
            .set(self.guest.reserved.get() - self.reserved);
    }
}
