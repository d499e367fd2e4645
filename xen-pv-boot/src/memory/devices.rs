//! This platform's memory, registers and pauses for the drivers of `mx-nic`.

use core::time::Duration;

<<<<<<< HEAD
use mx_nic::dma::DmaMemory;
use mx_nic::{Platform, Registers};
=======
use mx_nic::dma::{Dma, DmaMemory};
use mx_nic::virtio::Platform;
use virtio_drivers::{BufferDirection, Hal, PhysAddr};
>>>>>>> 7ee9d53 (nic: virtio-net with own split rings, and fakes; the driver domain opens its card)

use super::{dma, window};
use crate::event;

<<<<<<< HEAD
/// Hands out machine-contiguous own memory, maps registers of cards, and sleeps.
=======
/// What drivers need of a machine: memory, registers, time.
>>>>>>> 7ee9d53 (nic: virtio-net with own split rings, and fakes; the driver domain opens its card)
#[derive(Clone, Copy, Debug, Default)]
pub struct XenPlatform;

impl Platform for XenPlatform {
<<<<<<< HEAD
=======
    fn map_registers(&self, bus: u64, bytes: usize) -> Option<NonNull<u8>> {
        window::map_registers(bus, bytes)
            .inspect_err(|error| log::warn!("registers at {bus:#x}: {error}"))
            .ok()
    }

    fn pause(&self) {
        crate::event::sleep(core::time::Duration::from_micros(100));
    }
}

impl Dma for XenPlatform {
>>>>>>> 7ee9d53 (nic: virtio-net with own split rings, and fakes; the driver domain opens its card)
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
