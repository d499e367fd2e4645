//! This platform's memory, registers and pauses for the drivers of `mx-nic`.

use core::time::Duration;

use mx_nic::dma::DmaMemory;
use mx_nic::{Platform, Registers};

use super::{dma, window};
use crate::event;

/// Hands out machine-contiguous own memory, maps registers of cards, and sleeps.
#[derive(Clone, Copy, Debug, Default)]
pub struct XenPlatform;

impl Platform for XenPlatform {
    fn allocate(&self, pages: usize) -> Option<DmaMemory> {
        let region = dma::allocate(pages)?;
        // SAFETY: fresh, zeroed, contiguous for the machine; `free` takes back what `allocate` gave.
        Some(unsafe { DmaMemory::new(region.base, region.bus, region.pages, dma::free) })
    }

    fn registers(&self, bus: u64, bytes: usize) -> Option<Registers> {
        let base = window::map_registers(bus, bytes)
            .inspect_err(|error| log::error!("registers at {bus:#x} cannot be mapped: {error}"))
            .ok()?;
        // SAFETY: freshly mapped, uncached, and never unmapped.
        Some(unsafe { Registers::new(base, bytes) })
    }

    fn pause(&self, microseconds: u32) {
        event::sleep(Duration::from_micros(microseconds.into()));
    }
}
