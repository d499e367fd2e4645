//! The memory of an endpoint, and of its regions.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use mx_backend::{Backend, EndpointKey, RegionError};
use mx_ring::control::Status;
use mx_ring::{PAGE_SIZE, RegionKey, VolatileSlice};

use crate::memory::GuestPages;

/// An endpoint as its device has mapped it: queues and regions of the guest.
pub(super) struct MappedEndpoint<P> {
    /// W and R; none when the backend has closed the endpoint and the kernel has not yet.
    pub(super) queues: Option<[P; 2]>,
    pub(super) regions: BTreeMap<u16, Region<P>>,
    /// The request to close it.
    pub(super) closing: Option<u32>,
}

/// A region's memory.
pub(super) struct Region<P> {
    pub(super) key: RegionKey,
    pub(super) writable: bool,
    pub(super) offset: u16,
    pub(super) length: u32,
    pub(super) pages: P,
    pub(super) registered: bool,
    /// The request to give it back.
    pub(super) leaving: Option<u32>,
}

/// A region as a request describes it.
pub(super) struct Wanted {
    pub(super) key: RegionKey,
    pub(super) writable: bool,
    pub(super) offset: u16,
    pub(super) length: u32,
}

impl Wanted {
    /// Pages of the whole region; `None` for one that cannot be.
    pub(super) fn pages(&self) -> Option<usize> {
        let offset = usize::from(self.offset);
        if self.length == 0 || offset >= PAGE_SIZE {
            return None;
        }
        Some((offset + self.length as usize).div_ceil(PAGE_SIZE))
    }
}

impl<P: GuestPages> Region<P> {
    /// Makes a region known to the backend once its last page is mapped.
    pub(super) fn finish(
        &mut self,
        endpoint: EndpointKey,
        backend: &mut Backend,
    ) -> Result<(), Status> {
        let part = self
            .pages
            .slice()
            .part(usize::from(self.offset), self.length as usize);
        let Ok(part) = part else {
            // More requests follow.
            return Ok(());
        };
        let parts: Vec<VolatileSlice> = vec![part];
        backend
            .register_region(endpoint, self.key, self.writable, parts)
            .map_err(|error| match error {
                RegionError::NotOpen | RegionError::NotFound => Status::NotFound,
                RegionError::Busy => Status::Busy,
                RegionError::BadSlot | RegionError::BadParts => Status::Invalid,
                RegionError::NoMemory => Status::NoSpace,
            })?;
        self.registered = true;
        Ok(())
    }
}
