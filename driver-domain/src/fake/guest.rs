//! A guest: its memory, its grants, and which of its pages are mapped.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use driver_domain::memory::{Access, GuestPages, Memory};
use mx_ring::control::{DEVICE_PAGES, ModuleControl};
use mx_ring::mapping::Memfd;
use mx_ring::{Area, PAGE_SIZE};

/// Memory of the guest in pages. Page `n` is granted by reference `n + FIRST_REF`.
pub const GUEST_PAGES: usize = 1200;
pub const FIRST_REF: u32 = 100;
/// Where the test's guest keeps its device pages and the pages of endpoints and regions.
pub const DATA_PAGE: usize = DEVICE_PAGES;

/// A guest: its memory, and which of its pages are mapped by somebody else.
#[derive(Clone)]
pub struct Guest {
    pub memory: Rc<Memfd>,
    pub mapped: Rc<RefCell<Vec<usize>>>,
    pub reserved: Rc<Cell<usize>>,
    pub refused: Rc<RefCell<BTreeSet<u32>>>,
}

impl Guest {
    pub fn new() -> Self {
        Self {
            memory: Rc::new(Memfd::create("guest", GUEST_PAGES * PAGE_SIZE).unwrap()),
            mapped: Rc::default(),
            reserved: Rc::default(),
            refused: Rc::default(),
        }
    }

    pub fn area(&self, page: usize, pages: usize) -> Area {
        self.memory
            .area()
            .part(page * PAGE_SIZE, pages * PAGE_SIZE)
            .unwrap()
    }

    /// References of `count` pages from `page` on.
    pub fn refs(page: usize, count: usize) -> Vec<u32> {
        (0..count)
            .map(|at| FIRST_REF + (page + at) as u32)
            .collect()
    }
}

/// Pages of the guest, "mapped". The model can only map neighbours side by side, so references in another order are
/// bad ones.
pub struct Mapped {
    pub guest: Guest,
    pub reserved: usize,
    pub pages: Vec<usize>,
}

impl Memory for Guest {
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
        assert!(self.pages.len() + references.len() <= self.reserved);
        let before = self.pages.len();
        for reference in references {
            let page = reference.wrapping_sub(FIRST_REF) as usize;
            let neighbour = self.pages.last().is_none_or(|last| last + 1 == page);
            if page >= GUEST_PAGES || !neighbour || self.guest.refused.borrow().contains(reference)
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

    fn area(&self) -> Area {
        self.guest
            .area(self.pages.first().copied().unwrap_or(0), self.pages.len())
    }

    fn unmap_some(&mut self, pages: usize) -> bool {
        for _ in 0..pages {
            let Some(page) = self.pages.pop() else { break };
            let mut mapped = self.guest.mapped.borrow_mut();
            let at = mapped.iter().position(|other| *other == page).unwrap();
            mapped.swap_remove(at);
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

pub fn format(guest: &Guest) -> ModuleControl {
    let refs: Vec<u32> = Guest::refs(0, DEVICE_PAGES);
    ModuleControl::format(
        guest.area(0, 1),
        guest.area(1, 1),
        &refs.try_into().unwrap(),
    )
    .unwrap()
}
