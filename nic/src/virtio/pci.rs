//! Where PCI has the registers of a virtio device (virtio 1.2 §4.1.4).
//!
//! What the card says about its own layout is checked here, once; afterwards every access lies within what was mapped.

use alloc::vec::Vec;

use virtio_drivers::transport::pci::bus::{
    Command, ConfigurationAccess, DeviceFunction, PCI_CAP_ID_VNDR, PciRoot,
};
use virtio_drivers::transport::pci::{
    VIRTIO_PCI_CAP_COMMON_CFG, VIRTIO_PCI_CAP_DEVICE_CFG, VIRTIO_PCI_CAP_ISR_CFG,
    VIRTIO_PCI_CAP_NOTIFY_CFG, VIRTIO_VENDOR_ID,
};

use super::net::VirtioNet;
use super::open::open;
use super::options::{Interrupts, VirtioOptions};
use super::transport::{RingAddresses, Transport};
use crate::{OpenError, Platform, Registers};

/// Offsets in `struct virtio_pci_common_cfg` (§4.1.4.3).
mod common {
    pub(super) const DEVICE_FEATURE_SELECT: usize = 0x00;
    pub(super) const DEVICE_FEATURE: usize = 0x04;
    pub(super) const DRIVER_FEATURE_SELECT: usize = 0x08;
    pub(super) const DRIVER_FEATURE: usize = 0x0c;
    pub(super) const CONFIG_MSIX_VECTOR: usize = 0x10;
    pub(super) const NUM_QUEUES: usize = 0x12;
    pub(super) const DEVICE_STATUS: usize = 0x14;
    pub(super) const CONFIG_GENERATION: usize = 0x15;
    pub(super) const QUEUE_SELECT: usize = 0x16;
    pub(super) const QUEUE_SIZE: usize = 0x18;
    pub(super) const QUEUE_MSIX_VECTOR: usize = 0x1a;
    pub(super) const QUEUE_ENABLE: usize = 0x1c;
    pub(super) const QUEUE_NOTIFY_OFF: usize = 0x1e;
    pub(super) const QUEUE_DESC: usize = 0x20;
    pub(super) const QUEUE_DRIVER: usize = 0x28;
    pub(super) const QUEUE_DEVICE: usize = 0x30;
    /// Bytes of the structure.
    pub(super) const SIZE: u32 = 0x38;
}

/// Offsets in `struct virtio_pci_cap` (§4.1.4), of which the first four bytes are header, length and type.
const CAP_BAR: u8 = 4;
const CAP_OFFSET: u8 = 8;
const CAP_LENGTH: u8 = 12;
/// Behind it, for notifications: `notify_off_multiplier` (§4.1.4.4).
const CAP_NOTIFY_MULTIPLIER: u8 = 16;
/// Last byte of configuration space at which a capability of that length can begin.
const LAST_CAP: u8 = 0xff - CAP_NOTIFY_MULTIPLIER - 3;
/// Capabilities that fit configuration space; more are a loop.
const MAX_CAPABILITIES: usize = 48;
/// BARs of a device.
const BARS: u8 = 6;

/// The registers of a virtio device on PCI.
pub struct PciTransport {
    common: Registers,
    doorbells: Registers,
    notify_multiplier: u32,
    /// The queues that are enabled, and where the doorbell of each lies.
    notify_offsets: Vec<(u16, usize)>,
    interrupt_status: Registers,
    configuration: Option<Registers>,
}

/// PCI device numbers of network cards: modern, and those that are legacy devices too (§5.1.1, §4.1.2.1).
const DEVICES: [u16; 2] = [0x1041, 0x1000];

/// Whether a PCI function of that vendor and device number is a card for this driver.
pub fn drives(vendor: u16, device: u16) -> bool {
    vendor == VIRTIO_VENDOR_ID && DEVICES.contains(&device)
}

/// Where a structure lies.
#[derive(Clone, Copy)]
struct Structure {
    bar: u8,
    offset: u32,
    length: u32,
}

/// Opens the card at `function`: turns on its memory decoding and bus mastering, and turns its interrupt line off
/// unless it is wanted.
///
/// With [`Interrupts::Vectors`] the caller has already enabled as many entries of the MSI-X table.
pub fn open_pci<C: ConfigurationAccess, P: Platform>(
    access: &C,
    function: DeviceFunction,
    platform: P,
    options: &VirtioOptions,
) -> Result<VirtioNet<PciTransport, P>, OpenError> {
    let mut root = PciRoot::new(clone(access));
    check_identity(access, function)?;
    let mut command = Command::MEMORY_SPACE | Command::BUS_MASTER;
    if options.interrupts != Interrupts::Line {
        command |= Command::INTERRUPT_DISABLE;
    }
    root.set_command(function, command);
    let transport = PciTransport::find(access, &mut root, function, &platform)?;
    open(transport, platform, options)
}

/// Another handle of the same configuration space.
#[allow(unsafe_code)]
fn clone<C: ConfigurationAccess>(access: &C) -> C {
    // SAFETY: both handles are used by this thread, one after the other; the original only reads.
    unsafe { access.unsafe_clone() }
}

fn check_identity<C: ConfigurationAccess>(
    access: &C,
    function: DeviceFunction,
) -> Result<(), OpenError> {
    let identity = access.read_word(function, 0);
    let (vendor, device) = (identity as u16, (identity >> 16) as u16);
    if drives(vendor, device) {
        Ok(())
    } else {
        Err(OpenError::NotThisCard { vendor, device })
    }
}

impl PciTransport {
    /// Finds and maps the structures of a device.
    fn find<C: ConfigurationAccess>(
        access: &C,
        root: &mut PciRoot<C>,
        function: DeviceFunction,
        platform: &impl Platform,
    ) -> Result<Self, OpenError> {
        let mut places = [None; 4];
        let mut notify_multiplier = 0;
        for capability in root.capabilities(function).take(MAX_CAPABILITIES) {
            let [length, kind] = capability.private_header.to_le_bytes();
            let at = capability.offset;
            if capability.id != PCI_CAP_ID_VNDR || length < CAP_NOTIFY_MULTIPLIER || at > LAST_CAP {
                continue;
            }
            let index = match kind {
                VIRTIO_PCI_CAP_COMMON_CFG => 0,
                VIRTIO_PCI_CAP_NOTIFY_CFG => 1,
                VIRTIO_PCI_CAP_ISR_CFG => 2,
                VIRTIO_PCI_CAP_DEVICE_CFG => 3,
                _ => continue,
            };
            // The first of a kind is the one that the device prefers (§4.1.4.1).
            if places[index].is_some() {
                continue;
            }
            places[index] = Some(Structure {
                bar: access.read_word(function, at + CAP_BAR) as u8,
                offset: access.read_word(function, at + CAP_OFFSET),
                length: access.read_word(function, at + CAP_LENGTH),
            });
            if kind == VIRTIO_PCI_CAP_NOTIFY_CFG {
                notify_multiplier = access.read_word(function, at + CAP_NOTIFY_MULTIPLIER);
            }
        }
        let [common, doorbells, interrupt_status, configuration] = places;
        let mut map = |place: Option<Structure>, least, name| {
            let place = place.ok_or(OpenError::Registers(name))?;
            map(root, function, platform, place, least, name)
        };
        Ok(Self {
            common: map(common, common::SIZE, "no usable common configuration")?,
            doorbells: map(doorbells, 2, "no usable notification structure")?,
            notify_multiplier,
            notify_offsets: Vec::new(),
            interrupt_status: map(interrupt_status, 1, "no usable interrupt status")?,
            configuration: configuration
                .map(|place| map(Some(place), 8, "no usable device configuration"))
                .transpose()?,
        })
    }

    fn select(&mut self, queue: u16) {
        self.common.write16(common::QUEUE_SELECT, queue);
    }

    /// Writes a 64-bit register as two halves, as §4.1.3.1 allows.
    fn write64(&mut self, offset: usize, value: u64) {
        self.common.write32(offset, value as u32);
        self.common.write32(offset + 4, (value >> 32) as u32);
    }

    /// Where the doorbell of the selected queue lies (§4.1.4.4).
    fn notify_offset(&self) -> Result<usize, OpenError> {
        let number = self.common.read16(common::QUEUE_NOTIFY_OFF);
        let offset = u64::from(number) * u64::from(self.notify_multiplier);
        let fits = offset.is_multiple_of(2) && offset + 2 <= self.doorbells.len() as u64;
        fits.then_some(offset as usize)
            .ok_or(OpenError::Registers("a doorbell outside of its structure"))
    }
}

/// Maps a structure of at least `least` bytes that lies within its BAR.
fn map<C: ConfigurationAccess>(
    root: &mut PciRoot<C>,
    function: DeviceFunction,
    platform: &impl Platform,
    place: Structure,
    least: u32,
    name: &'static str,
) -> Result<Registers, OpenError> {
    let unusable = OpenError::Registers(name);
    if place.bar >= BARS || place.length < least || !place.offset.is_multiple_of(4) {
        return Err(unusable);
    }
    let bar = root
        .bar_info(function, place.bar)
        .ok()
        .flatten()
        .and_then(|bar| bar.memory_address_size());
    let (address, size) = bar.filter(|&(address, _)| address != 0).ok_or(unusable)?;
    let end = u64::from(place.offset) + u64::from(place.length);
    let bus = address
        .checked_add(place.offset.into())
        .filter(|_| end <= size)
        .ok_or(unusable)?;
    platform
        .registers(bus, place.length as usize)
        .ok_or(OpenError::NotMapped { bus })
}

impl Transport for PciTransport {
    fn device_features(&mut self) -> u64 {
        self.common.write32(common::DEVICE_FEATURE_SELECT, 0);
        let low = self.common.read32(common::DEVICE_FEATURE);
        self.common.write32(common::DEVICE_FEATURE_SELECT, 1);
        let high = self.common.read32(common::DEVICE_FEATURE);
        u64::from(high) << 32 | u64::from(low)
    }

    fn accept_features(&mut self, features: u64) {
        self.common.write32(common::DRIVER_FEATURE_SELECT, 0);
        self.common.write32(common::DRIVER_FEATURE, features as u32);
        self.common.write32(common::DRIVER_FEATURE_SELECT, 1);
        self.common
            .write32(common::DRIVER_FEATURE, (features >> 32) as u32);
    }

    fn status(&self) -> u8 {
        self.common.read8(common::DEVICE_STATUS)
    }

    fn set_status(&mut self, status: u8) {
        self.common.write8(common::DEVICE_STATUS, status);
    }

    fn queue_size(&mut self, queue: u16) -> u16 {
        if queue >= self.common.read16(common::NUM_QUEUES) {
            return 0;
        }
        self.select(queue);
        self.common.read16(common::QUEUE_SIZE)
    }

    fn enable_queue(
        &mut self,
        queue: u16,
        size: u16,
        rings: RingAddresses,
    ) -> Result<(), OpenError> {
        self.select(queue);
        let doorbell = self.notify_offset()?;
        self.notify_offsets.retain(|&(known, _)| known != queue);
        self.notify_offsets.push((queue, doorbell));
        self.common.write16(common::QUEUE_SIZE, size);
        self.write64(common::QUEUE_DESC, rings.descriptors);
        self.write64(common::QUEUE_DRIVER, rings.available);
        self.write64(common::QUEUE_DEVICE, rings.used);
        self.common.write16(common::QUEUE_ENABLE, 1);
        Ok(())
    }

    fn set_queue_vector(&mut self, queue: u16, vector: u16) -> bool {
        self.select(queue);
        self.common.write16(common::QUEUE_MSIX_VECTOR, vector);
        self.common.read16(common::QUEUE_MSIX_VECTOR) == vector
    }

    fn set_configuration_vector(&mut self, vector: u16) -> bool {
        self.common.write16(common::CONFIG_MSIX_VECTOR, vector);
        self.common.read16(common::CONFIG_MSIX_VECTOR) == vector
    }

    fn notify(&mut self, queue: u16) {
        let places = &mut self.notify_offsets.iter();
        if let Some(&(_, offset)) = places.find(|&&(known, _)| known == queue) {
            self.doorbells.write16(offset, queue);
        }
    }

    fn acknowledge(&mut self) {
        // Reading clears it, and the line with it (§4.1.4.5).
        self.interrupt_status.read8(0);
    }

    fn configuration_generation(&self) -> u8 {
        self.common.read8(common::CONFIG_GENERATION)
    }

    fn configuration8(&self, offset: usize) -> Option<u8> {
        let registers = self.configuration.as_ref()?;
        (offset < registers.len()).then(|| registers.read8(offset))
    }

    fn configuration16(&self, offset: usize) -> Option<u16> {
        let registers = self.configuration.as_ref()?;
        (offset + 2 <= registers.len()).then(|| registers.read16(offset))
    }
}
