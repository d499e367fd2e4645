//! What the domain deals with, in one process and for tests: a guest's memory, and its account.

mod guest;

use std::rc::Rc;

use mx_backend::Instant;

pub use guest::{DATA_PAGE, FIRST_REF, GUEST_PAGES, Guest, Mapped};

use crate::account::{Account, Limits, Pools};

/// The account of a guest to which nothing special was granted, one of 64 in a domain of 64 MiB.
pub fn account() -> Rc<Account> {
    let pools = Pools::new(1 << 18, 40 << 20, 64);
    Account::new(&pools, Limits::default(), Instant::default())
}
