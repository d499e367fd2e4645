//! This platform's memory for the drivers of `mx-nic` and for the PCI transport of `virtio-drivers`.

use core::ptr::NonNull;

use mx_nic::dma::{Dma, DmaMemory};
use virtio_drivers::{BufferDirection, Hal, PhysAddr};

use super::{dma, window};

/// Hands out machine-contiguous own memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct XenDma;

impl Dma for XenDma {
    fn allocate(&self, pages: usize) -> Option<DmaMemory> {
        let region = dma::allocate(pages)?;
        // SAFETY: fresh, zeroed, contiguous for the machine; `free` takes back what `allocate` gave.
        Some(unsafe { DmaMemory::new(region.base, region.bus, region.pages, dma::free) })
    }
}

/// What `virtio-drivers` asks of a platform. Its transport only maps registers with it.
#[derive(Debug)]
pub struct XenHal;

// SAFETY: memory comes from the pool, exclusive and zeroed; registers are mapped at fresh addresses.
unsafe impl Hal for XenHal {
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        match dma::allocate(pages) {
            Some(region) => (region.bus, region.base),
            None => (0, NonNull::dangling()),
        }
    }

    unsafe fn dma_dealloc(_bus: PhysAddr, base: NonNull<u8>, pages: usize) -> i32 {
        // SAFETY: the caller returns what `dma_alloc` gave.
        unsafe { dma::free(base, pages) };
        0
    }

    unsafe fn mmio_phys_to_virt(bus: PhysAddr, bytes: usize) -> NonNull<u8> {
        match window::map_registers(bus, bytes) {
            Ok(registers) => registers,
            // The trait knows no failure. Registers come from a BAR that the PCI backend assigned to this domain.
            Err(error) => panic!("registers at {bus:#x} could not be mapped: {error}"),
        }
    }

    unsafe fn share(buffer: NonNull<[u8]>, _direction: BufferDirection) -> PhysAddr {
        let address = buffer.as_ptr().cast::<u8>() as u64;
        let pfn = crate::types::Pfn(address.wrapping_sub(super::DIRECT_MAP) / 4096);
        super::mfn(pfn).map_or(0, |frame| frame.bus() + address % 4096)
    }

    unsafe fn unshare(_bus: PhysAddr, _buffer: NonNull<[u8]>, _direction: BufferDirection) {}
}
