#![no_std]
#![forbid(unsafe_code)]
//! The driver domain: joins Open-MX boards, a network card and the frontends of guests in one loop, on bare Xen.
//!
//! | module | what it knows |
//! |---|---|
//! | [`options`] | the command line |
//! | `nic` | finding and opening the network card |
//! | [`wire_link`] | frames of the backend as frames of the card |
//! | [`passthrough`] | the card when dom0 takes it back |
//! | `frontends`, [`names`], [`handshake`] | the guests' devices as xenstore shows them, and what is to be done |
//! | [`rounds`] | which of the devices that have something to do is served next |
//! | [`control`] | requests of the tools, by xenstore |
//! | [`xenstore_writer`], [`status`], [`report`] | writes to xenstore; what the domain tells there of itself; what it counts |
//! | [`doorbell`] | events of a guest that bring nothing |
//! | [`account`] | what each guest has of what all share, and what it may have |
//! | [`device`], [`memory`], `guest_memory` | one connected device: its pages, endpoints, regions, requests |
//! | [`idle`], [`sleep`] | how long to look for work, and sleeping so that none is missed |
//! | [`capture`] | the last frames, to be read at that address |
//! | [`management`], `snapshot` | the address by which a browser and Prometheus read what the domain does |
//! | [`statistics`] | what was done, on request in `data/omx-stats` |
//! | [`watchdog`] | an end by Xen when the loop hangs |
//! | `records` | records of the boards on the console, so many in a second |
//! | `refusal` | a domain that serves nobody, and says why |
//! | `run` | the start and the loop |
//!
//! Why it exists: it is the only room that knows both Xen and Open-MX. Its neighbours: `mx-backend` serves endpoints
//! and drives the switch, `mx-nic` the card, `xen-pv-boot` the domain. It refuses to decide anything of the protocol,
//! and to touch shared memory itself.
//!
//! Modules that call Xen are only there on the bare target; the others are tested on the build machine.

extern crate alloc;
#[cfg(feature = "fake")]
extern crate std;

pub mod account;
pub mod capture;
pub mod control;
pub mod device;
pub mod doorbell;
#[cfg(feature = "fake")]
pub mod fake;
#[cfg(target_os = "none")]
mod frontends;
#[cfg(target_os = "none")]
mod guest_memory;
pub mod handshake;
pub mod idle;
pub mod management;
pub mod memory;
pub mod names;
#[cfg(target_os = "none")]
mod nic;
pub mod options;
pub mod passthrough;
#[cfg(feature = "trace")]
pub mod records;
#[cfg(target_os = "none")]
mod refusal;
pub mod report;
pub mod rounds;
#[cfg(target_os = "none")]
mod run;
pub mod sleep;
#[cfg(target_os = "none")]
mod snapshot;
pub mod statistics;
pub mod status;
pub mod watchdog;
pub mod wire_link;
pub mod xenstore_writer;

#[cfg(target_os = "none")]
pub use run::run;
