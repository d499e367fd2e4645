//! The scenarios: the system as its users see it, with nothing faked.

pub mod conformance;
mod example;
pub mod faults;
pub mod idle;
pub mod last_words;
pub mod rcache;
pub mod two_nodes;
