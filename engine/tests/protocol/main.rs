//! The protocol, event by event: each test plays the peer and the backend, and reads the commands that come out.

mod buffer;
mod endings;
mod handshake;
mod hostile;
mod liveness;
mod native;
mod peer;
mod pieces;
mod pulls;
mod recorder;
mod resends;
mod selection;
mod start;
mod strays;
mod streams;
