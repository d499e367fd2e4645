//! The registers of a virtio device, wherever they lie.

use crate::OpenError;

/// Where the three parts of a split ring lie, as bus addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingAddresses {
    /// Descriptor table.
    pub descriptors: u64,
    /// Available ring.
    pub available: u64,
    /// Used ring.
    pub used: u64,
}

/// The registers of a virtio device (virtio 1.2 §4.1.4.3 has the PCI form of them).
pub trait Transport {
    /// Features that the device offers.
    fn device_features(&mut self) -> u64;

    /// Tells the device which of them the driver uses.
    fn accept_features(&mut self, features: u64);

    /// Device status, §2.1.
    fn status(&self) -> u8;

    /// Writes the device status; 0 resets.
    fn set_status(&mut self, status: u8);

    /// Entries that a queue has at most; 0 if there is no such queue.
    fn queue_size(&mut self, queue: u16) -> u16;

    /// Gives a queue its memory and enables it.
    fn enable_queue(
        &mut self,
        queue: u16,
        size: u16,
        rings: RingAddresses,
    ) -> Result<(), OpenError>;

    /// Ties a queue to an MSI-X vector; whether the device took it.
    fn set_queue_vector(&mut self, queue: u16, vector: u16) -> bool;

    /// Ties changes of the configuration to an MSI-X vector; whether the device took it.
    fn set_configuration_vector(&mut self, vector: u16) -> bool;

    /// Tells the device that an enabled queue has new entries.
    fn notify(&mut self, queue: u16);

    /// Tells the device that its interrupt line was seen.
    fn acknowledge(&mut self);

    /// Changes whenever the configuration does.
    fn configuration_generation(&self) -> u8;

    /// A byte of the device's configuration; `None` beyond its end.
    fn configuration8(&self, offset: usize) -> Option<u8>;

    /// Two bytes of it, at an even offset.
    fn configuration16(&self, offset: usize) -> Option<u16>;
}
