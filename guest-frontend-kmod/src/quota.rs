//! What a user of this guest may hold: the device is open to all of them, and grants are few.

use alloc::vec::Vec;

use mx_ring::PAGE_SIZE;
use mx_ring::registration::{RESERVE_MAX, RESERVES};

use crate::errno::Errno;

/// A user id.
pub type User = u32;

/// Limits of one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open endpoints.
    pub endpoints: usize,
    /// Pages of queues and registered memory. A guest has 32 768 grants in all (interfaces §4).
    pub pages: usize,
}

impl Default for Limits {
    /// As many endpoints as any board has, so that its operator's number is what counts; three quarters of the guest's grants.
    fn default() -> Self {
        Self {
            endpoints: 256,
            pages: 24_576,
        }
    }
}

/// A buffer of last resort may begin within a page.
const RESERVE_PAGES: usize = RESERVE_MAX as usize / PAGE_SIZE + 1;

impl Limits {
    /// The limits for buffers of last resort: there is room for those of all endpoints, whatever else is held.
    pub const fn for_reserves(self) -> Self {
        Self {
            pages: self.pages + self.endpoints * RESERVES * RESERVE_PAGES,
            ..self
        }
    }
}

struct Use {
    user: User,
    endpoints: usize,
    pages: usize,
}

/// What each user holds.
pub struct Quotas {
    uses: Vec<Use>,
}

impl Quotas {
    /// Nobody holds anything.
    pub const fn new() -> Self {
        Self { uses: Vec::new() }
    }

    /// Whether a user may take that many pages now, as far as can be told before they are pinned.
    pub fn has_room(&self, user: User, pages: usize, limits: Option<Limits>) -> bool {
        let held = self.uses.iter().find(|entry| entry.user == user);
        let held = held.map_or(0, |entry| entry.pages);
        limits.is_none_or(|limits| held + pages <= limits.pages)
    }

    /// Notes that a user takes something; `None` as limits means that none apply.
    pub fn charge(
        &mut self,
        user: User,
        endpoints: usize,
        pages: usize,
        limits: Option<Limits>,
    ) -> Result<(), Errno> {
        let entry = match self.uses.iter_mut().position(|entry| entry.user == user) {
            Some(at) => &mut self.uses[at],
            None => {
                self.uses.try_reserve(1).map_err(|_| Errno::NO_MEMORY)?;
                self.uses.push(Use {
                    user,
                    endpoints: 0,
                    pages: 0,
                });
                let last = self.uses.len() - 1;
                &mut self.uses[last]
            }
        };
        let (endpoints, pages) = (entry.endpoints + endpoints, entry.pages + pages);
        if limits.is_some_and(|limits| endpoints > limits.endpoints || pages > limits.pages) {
            self.forget_idle();
            return Err(Errno::AGAIN);
        }
        (entry.endpoints, entry.pages) = (endpoints, pages);
        Ok(())
    }

    /// Notes that a user gave something back.
    pub fn release(&mut self, user: User, endpoints: usize, pages: usize) {
        if let Some(entry) = self.uses.iter_mut().find(|entry| entry.user == user) {
            entry.endpoints = entry.endpoints.saturating_sub(endpoints);
            entry.pages = entry.pages.saturating_sub(pages);
        }
        self.forget_idle();
    }

    /// Users that hold something.
    pub fn users(&self) -> usize {
        self.uses.len()
    }

    fn forget_idle(&mut self) {
        self.uses
            .retain(|entry| entry.endpoints != 0 || entry.pages != 0);
    }
}

impl Default for Quotas {
    fn default() -> Self {
        Self::new()
    }
}
