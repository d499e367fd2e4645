#![no_std]
#![forbid(unsafe_code)]
//! A mini guest: a PV domain of a few MiB, without Linux, that is a frontend of the class `omx` and either loads its
//! driver domain honestly and verifies what comes back, or lies to it in every way that a guest can.
//!
//! | module | what it knows |
//! |---|---|
//! | [`caller`] | an endpoint that sends large messages to a library's, and verifies what comes back |
//! | [`domain`] | what a frontend needs of its domain: pages, grants, events, keys |
//! | [`device`] | the control pages of a device, from its guest's side |
//! | [`endpoint`] | an endpoint: its pages, its queues, its end |
//! | [`link`] | an endpoint that sends to a partner's, and verifies what comes |
//! | [`pattern`] | what messages hold |
//! | [`load`] | honest messages of all endpoints, counted |
//! | [`lies`] | lies, counted by kind |
//! | [`work`] | what they are to send, and what came of it |
//! | [`order`] | what a mini is told to do, and what it answers |
//! | `run` | the program on Xen |
//! | `backend` | the other direction: a driver domain that lies to its guests |
//!
//! Why it exists: a driver domain is shared by strangers, and Linux guests are too large to have many of them in a test,
//! and too honest. Its neighbours: `mx-ring` has both sides of the shared memory, `xen-pv-boot` the domain. The same code
//! runs in a test's process against the driver domain's devices, without Xen, so that a lie that breaks one is found and
//! repeated there.

extern crate alloc;

#[cfg(target_os = "none")]
mod backend;
pub mod caller;
pub mod device;
pub mod domain;
pub mod endpoint;
pub mod lies;
pub mod link;
pub mod load;
pub mod order;
pub mod pattern;
#[cfg(target_os = "none")]
mod run;
pub mod work;

#[cfg(target_os = "none")]
pub use run::run;
