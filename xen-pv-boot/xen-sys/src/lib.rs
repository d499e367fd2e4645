#![no_std]
#![forbid(unsafe_code)]
//! The public ABI of the Xen hypervisor, as far as a PV driver domain on x86-64 needs it.
//!
//! A module per public header of Xen 4.17 (`xen/include/public/…`, MIT), with names close to the header's. Plain
//! numbers and `repr(C)` structures whose sizes and offsets are pinned at compile time; no code. What gives these
//! numbers a meaning, and hides them, is `xen-pv-boot`.

pub mod arch_x86;
pub mod console;
pub mod elfnote;
pub mod event_channel;
pub mod grant_table;
pub mod memory;
pub mod pciif;
pub mod physdev;
pub mod sched;
pub mod vcpu;
pub mod version;
pub mod xen;
pub mod xenbus;
pub mod xs_wire;
