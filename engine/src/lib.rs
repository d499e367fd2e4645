#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
//! The protocol of one Open-MX endpoint: everything between the application's calls and the queues of its board.
//!
//! It is a crate of its own so that nothing but values can get in. [`mx_ring::Event`]s, the application's calls and the
//! time since some fixed moment go in; [`mx_ring::Command`]s go out through a [`QueuePort`]; finished requests are asked for.
//! So the same code runs in a process, in simulated networks with virtual time and in fuzz targets.
//!
//! Neighbours: `mx-ring` has the vocabulary of commands and events and the [`mx_ring::VolatileSlice`]s that bytes are copied from
//! and to; `open-mx` calls the engine under an endpoint's lock and is its queue port; `mx-board` is the other end of the queues.
//! It refuses to know a file, a system call, a clock, a thread, a lock and a type of C, and it does no I/O: a call returns
//! at once. What an event says is an allegation of a peer or of the backend: nothing here panics or reaches outside of
//! a message for any event.
//!
//! | file | what |
//! |---|---|
//! | `state` | what is known: the records, which act on nobody |
//! | `engine` | all that is known of one endpoint |
//! | `events`, `progress`, `requests` | what the caller asks for |
//! | `connect` | handshake and sessions |
//! | `send`, `transmit` | sends, from the call to the queue |
//! | `short_way` | short messages, both ways, when nothing is unusual |
//! | `ack`, `resend`, `liveness` | acknowledgements, retransmission, giving up |
//! | `receive` | order of what comes |
//! | `matching` | posted receives, unexpected messages, fragments |
//! | `claims` | unexpected messages that are taken before they are received |
//! | `offers` | the application's handler of unexpected messages |
//! | `large`, `pull_timeout` | rendezvous, pull, notify |
//! | `export` | what the network sees of large sends |
//! | `loopback` | messages to the own endpoint |
//! | `cleanup` | end of a relation |
//! | `successor` | another backend takes over |
//! | `queue_port`, `memory` | what the engine needs: a way to the board, memory of messages |
//! | `config`, `code` | what it is told once; how calls and requests end |

extern crate alloc;
#[cfg(test)]
extern crate std;

mod ack;
mod claims;
mod cleanup;
mod code;
mod config;
mod connect;
mod engine;
mod events;
mod export;
mod large;
mod liveness;
mod loopback;
mod matching;
mod memory;
mod offers;
mod progress;
mod pull_timeout;
mod queue_port;
mod receive;
mod requests;
mod resend;
mod send;
mod short_way;
mod state;
mod successor;
mod transmit;

pub use claims::Claim;
pub use code::Code;
pub use config::Config;
pub use engine::Engine;
pub use memory::{Memory, zeroed};
pub use mx_wire::FrameKind;
pub use offers::{Action, Offer};
pub use queue_port::{Part, QueuePort, Refused, Registered, Use};
pub use state::contexts::ContextIds;
pub use state::counts::{ByKind, Counts, Holdings};
pub use state::keys::{PartnerKey, RequestKey};
pub use state::request::{Kind, NotDone, Outcome, Purpose};
pub use state::selection::Selection;
