#![forbid(unsafe_code)]
//! `omxd`: Open-MX boards in a Linux process.
//!
//! The external node of a fabric: a replacement for the native Open-MX module where that no longer builds, and the
//! place where the whole system can be debugged and traced natively. Processes attach over a unix socket, share memory
//! by memfd and wake each other by sockets; the wire is an interface (AF_PACKET) or a datagram socket that carries one
//! Ethernet frame per datagram, as QEMU's `-netdev dgram` does.
//!
//! Neighbours: `mx-backend` serves the endpoints, `mx-ring` owns the shared memory and the calls of processes; this
//! crate brings descriptors, time and the loop. It refuses to know the protocol, and to touch shared memory itself.
//!
//! | file | what |
//! |---|---|
//! | `cli` | options |
//! | `node` | the loop: wire, turn, clients, sleep |
//! | `boards` | the boards and their shared pages |
//! | `server`, `client`, `regions`, `bell` | processes: their calls, what belongs to each, waking |
//! | `limits` | what a user may have |
//! | `closing` | what clients have shared, and may make the node wait |
//! | `complaints` | what of them is told in the log |
//! | `capture` | frames in a file |
//! | `patience` | how long to look for more before sleeping |
//! | `wire` | interface, what becomes of it, and datagram sockets |
//! | `poller`, `clock`, `credentials` | descriptors, time, who a process is |

mod bell;
mod boards;
mod capture;
pub mod cli;
mod client;
mod clock;
mod closing;
mod complaints;
mod credentials;
mod error;
mod limits;
mod node;
mod patience;
mod poller;
mod regions;
mod server;
mod wire;

pub use error::NodeError;
pub use node::Node;
