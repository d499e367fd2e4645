//! The logic over a model of kernel and backend.

mod any_order;
mod boards;
mod cache;
mod endpoints;
mod guest;
mod model;
mod ordered;
mod raw;
mod regions;
mod run;
mod takeover;

/// What the model's locks are made of.
mod sync {
    pub use std::sync::Mutex;
    pub use std::thread_local;
}
