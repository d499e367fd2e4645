//! The library over real queues, real boards and a wire that misbehaves, in one process and virtual time.

mod delivery;
mod endings;
mod handshake;
mod hostile;
mod inquiries;
mod native;
mod pieces;
mod pulls;
mod recorder;
mod relations;
mod resends;
mod rules;
mod strays;
mod streams;
mod timeouts;
mod world;
