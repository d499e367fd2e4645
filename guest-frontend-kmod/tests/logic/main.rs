//! The logic over a model of kernel and home.

mod any_order;
mod life;
mod model;
