//! What a kernel looks at in an endpoint's R area before it puts a thread to sleep.

use core::sync::atomic::Ordering;

use crate::layout::PAGE_SIZE;
use crate::memory::{Area, AreaError};
use crate::process::r0;

/// The first R page of an endpoint, for a kernel that compares and does nothing else.
#[derive(Clone, Copy, Debug)]
pub struct EventWatch {
    page: Area,
}

impl EventWatch {
    /// Takes the first page of the R area.
    pub fn new(page: Area) -> Result<Self, AreaError> {
        Ok(Self {
            page: page.part(0, PAGE_SIZE)?,
        })
    }

    /// Whether the home has published events beyond these consumer indices, or closed the endpoint. A consumer index
    /// that cannot be counts as "there is something": its process finds out by itself.
    pub fn something_new(&self, unexpected_cons: u32, expected_cons: u32) -> bool {
        self.page.word(r0::UNEXPECTED_PROD).load(Ordering::Acquire) != unexpected_cons
            || self.page.word(r0::EXPECTED_PROD).load(Ordering::Acquire) != expected_cons
            || self.page.word(r0::STATUS).load(Ordering::Acquire) != 0
    }
}
