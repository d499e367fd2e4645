//! What the domain deals with, in one process and for tests: a guest's memory.

mod guest;

pub use guest::{DATA_PAGE, FIRST_REF, GUEST_PAGES, Guest, Mapped};
