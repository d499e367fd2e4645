//! The library over real queues, real boards and a wire that misbehaves, in one process and virtual time.

mod delivery;
mod hostile;
mod liveness;
mod relations;
mod resends;
mod rules;
mod timeouts;
mod world;
