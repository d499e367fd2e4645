//! The library over real queues, real boards and a wire that misbehaves, in one process and virtual time.

mod delivery;
mod hostile;
mod inquiries;
mod native;
mod pieces;
mod recorder;
mod relations;
mod resends;
mod strays;
mod timeouts;
mod world;
