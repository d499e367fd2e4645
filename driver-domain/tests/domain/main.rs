//! A driver domain with many guests: what each gets, and what all of them take.

#[path = "../counting/mod.rs"]
mod counting;
mod crowd;
mod greed;
mod limits;
mod world;
