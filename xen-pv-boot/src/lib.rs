#![no_std]
// Without the boot code, which is only there on the bare target, much of the rest has no user.
#![cfg_attr(not(target_os = "none"), allow(dead_code))]
//! What a Rust kernel needs to live under Xen as a paravirtual guest: the way from the domain builder's jump to a
//! `main`, and safe services for the rest of its life.
//!
//! | module | what it gives |
//! |---|---|
//! | [`boot`] | [`Machine`]: what `main` gets |
//! | [`console`], `log` | the console; the `log` crate writes to it, with time and level |
//! | [`clock`] | monotonic time without a hypercall |
//! | [`memory`] | heap (the global allocator), machine-contiguous memory for devices, pages to share; how much of each |
//! | [`event`] | event channels, and sleeping until one has an event |
//! | [`grant`], [`foreign`] | own pages for others; pages of others |
//! | [`pci`] | devices that were passed through: configuration space, interrupts |
//! | [`xenstore`], [`xenbus`] | the store with watches and transactions; states of split devices |
//! | [`frontend`] | the front end of a split device, by watches |
//! | [`shutdown`] | the ends of a domain |
//! | [`watchdog`] | an end by Xen for a domain that hangs |
//! | [`self_test`] | bad ends on purpose, to see what they leave on the console |
//! | [`counters`] | what all of this cost in hypercalls, events and grants |
//!
//! Why it exists: no crate boots a PV kernel with grants, event channels, xenstore and PCI passthrough. Its
//! neighbours: `xen-sys` below (the ABI, numbers only), `driver-domain` above. It refuses to know anything of
//! Open-MX, to run more than one vCPU, and to unmask upcalls: nothing ever interrupts the program, which looks for
//! events when it has time and sleeps in Xen when there are none.
//!
//! On another target than the bare one, the crate compiles without its entry point, so that its pure parts can be
//! tested.

extern crate alloc;

#[cfg(target_os = "none")]
pub mod boot;
pub mod clock;
pub mod console;
pub mod counters;
#[cfg(target_os = "none")]
mod entry;
pub mod event;
pub mod foreign;
pub mod frontend;
pub mod grant;
mod hypercall;
#[cfg(target_os = "none")]
mod logger;
pub mod memory;
pub mod pci;
mod ranges;
pub mod self_test;
pub mod shutdown;
#[cfg(target_os = "none")]
mod stack;
#[cfg(target_os = "none")]
mod stubs;
#[cfg(target_os = "none")]
mod traps;
mod types;
pub mod watchdog;
pub mod xenbus;
pub mod xenstore;

#[cfg(target_os = "none")]
pub use boot::Machine;
pub use memory::Footprint;
pub use types::{DomId, Errno, GrantRef, Mfn, PAGE_SIZE, Pfn, RemotePort};

/// Names the function that runs once the domain is up, `fn main(machine: Machine) -> !`, and what it needs of the
/// domain's memory: [`Footprint::BACKEND`] unless it says otherwise.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        $crate::entry!($main, $crate::Footprint::BACKEND);
    };
    ($main:path, $footprint:expr) => {
        // The name is the one that the boot code of `xen-pv-boot` calls; the type is checked below.
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        fn xen_pv_main(machine: $crate::Machine) -> ! {
            let main: fn($crate::Machine) -> ! = $main;
            main(machine)
        }

        // As above.
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        fn xen_pv_footprint() -> $crate::Footprint {
            const FOOTPRINT: $crate::Footprint = $footprint;
            FOOTPRINT
        }
    };
}
