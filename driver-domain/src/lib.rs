#![no_std]
#![forbid(unsafe_code)]
//! The driver domain: joins Open-MX boards, a NIC and the frontends of guests in one loop, on bare Xen.

extern crate alloc;

#[cfg(target_os = "none")]
mod run;
#[cfg(target_os = "none")]
pub use run::run;
