//! The scenarios: the system as its users see it, with nothing faked.
//!
//! | file | what |
//! |---|---|
//! | `two_nodes` | two nodes on one Linux |
//! | `public_programs` | programs of others between two nodes |
//! | `mpi`, `mpi_deaths`, `mpi_setup` | MPI over libfabric, on one node and on two, what dies under it, and who chooses it |
//! | `mpi_on_xen`, `guest_network` | MPI in a guest, and between two that have IP for it |
//! | `conformance` | programs in C in guests and outside |
//! | `faults` | processes and guests die; a driver domain has no card |
//! | `newer_kernel` | guests that boot another kernel than dom0's |
//! | `module` | the guests' module under load: two processors, deaths, devices taken away |
//! | `takeover` | endpoints that outlive their driver domain, and a saved guest |
//! | `life_cycle` | devices, guests and driver domains that come and go under load |
//! | `leaks`, `logs` | what each of these must leave as it was, and what no log may hold |
//! | `minis` | a mini guest beside Linux guests |
//! | `last_words` | what a driver domain that fails leaves in the logs |
//! | `nic` | one card: its link, messages each way, sleep, the page |
//! | `commands` | what an operator asks by `xl` |
//! | `transitions` | from idle to busy and back, very often |
//! | `admin`, `example`, `idle`, `limits`, `link`, `page`, `queue_entries`, `rcache` | parts of these |
//! | `judge` | what they judge by |

mod admin;
pub mod commands;
pub mod conformance;
mod example;
pub mod faults;
mod guest_network;
mod idle;
mod judge;
pub mod last_words;
mod leaks;
pub mod life_cycle;
mod limits;
mod link;
mod logs;
pub mod minis;
pub mod module;
pub mod mpi;
mod mpi_deaths;
pub mod mpi_on_xen;
mod mpi_setup;
pub mod newer_kernel;
pub mod nic;
mod page;
pub mod public_programs;
mod queue_entries;
mod rcache;
pub mod takeover;
pub mod transitions;
pub mod two_nodes;
