//! `physdev.h`: physical interrupts.

use core::mem::size_of;

/// The domain has seen an interrupt: the next one may come.
pub const PHYSDEVOP_EOI: u32 = 12;

/// `struct physdev_eoi`.
#[repr(C)]
#[derive(Debug)]
pub struct PhysdevEoi {
    /// The physical interrupt.
    pub irq: u32,
}

const _: () = assert!(size_of::<PhysdevEoi>() == 4);
