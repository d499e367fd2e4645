//! The scenarios: the system as its users see it, with nothing faked.

pub mod faults;
pub mod two_nodes;
