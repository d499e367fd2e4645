//! virtio over PCI (virtio 1.2 §4.1): finding the device's registers.
//!
//! The transport of `virtio-drivers` finds most of them by itself. What it does not offer is found here: where a
//! notification is a single store, and the interrupt vectors. This code looks first, so that a device whose
//! configuration space makes no sense is refused before the transport believes it.

use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, Ordering};

use virtio_drivers::Hal;
use virtio_drivers::transport::pci::bus::{Command, ConfigurationAccess, DeviceFunction, PciRoot};
use virtio_drivers::transport::pci::{
    PciTransport, VIRTIO_PCI_CAP_COMMON_CFG, VIRTIO_PCI_CAP_NOTIFY_CFG,
};

use super::{OpenError, Registers, VirtioNet};
use crate::dma::Dma;

/// What the driver asks of the machine, besides memory.
pub trait Platform: Dma {
    /// Maps `bytes` bytes of registers at bus address `bus`, uncached, for good; `None` when that is not possible.
    fn map_registers(&self, bus: u64, bytes: usize) -> Option<NonNull<u8>>;

    /// Lets some time pass, about a tenth of a millisecond.
    fn pause(&self);
}

/// Why a PCI device could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PciError {
    /// A structure of the device is missing, lies outside of its BAR, or cannot be mapped; which.
    Structure(&'static str),
    /// The list of capabilities has no end.
    Capabilities,
    /// The transport refuses the device.
    Transport(virtio_drivers::transport::pci::VirtioPciError),
    /// The device refuses the driver.
    Open(OpenError),
}

impl fmt::Display for PciError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Structure(name) => write!(f, "no usable {name} structure"),
            Self::Capabilities => f.write_str("a list of capabilities without an end"),
            Self::Transport(error) => error.fmt(f),
            Self::Open(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for PciError {}

/// Offsets in the common configuration structure (§4.1.4.3).
mod common {
    pub(super) const SIZE: usize = 56;
    pub(super) const QUEUE_SELECT: usize = 0x16;
    pub(super) const QUEUE_VECTOR: usize = 0x1a;
    pub(super) const QUEUE_NOTIFY_OFF: usize = 0x1e;
}

/// Queues of the card: receive, transmit, control.
const QUEUES: u16 = 3;
/// Capabilities that fit into 256 bytes of configuration space.
const CAPABILITIES_MAX: usize = 48;
/// A vendor-specific capability, which is what virtio uses.
const VENDOR_SPECIFIC: u8 = 9;

/// The registers of a device, mapped for good.
pub struct PciRegisters {
    common: NonNull<u8>,
    notify: [NonNull<u8>; QUEUES as usize],
}

/// Where a structure lies.
#[derive(Clone, Copy)]
struct Place {
    bar: u8,
    offset: u32,
    length: u32,
    /// Where its capability lies in configuration space.
    capability: u8,
}

impl PciRegisters {
    fn find<C: ConfigurationAccess, P: Platform>(
        access: &C,
        root: &mut PciRoot<C>,
        device: DeviceFunction,
        platform: &P,
    ) -> Result<Self, PciError> {
        let [common, notify] = structures(access, device)?;
        let common = common.ok_or(PciError::Structure("common configuration"))?;
        let notify = notify.ok_or(PciError::Structure("notification"))?;
        let multiplier = access.read_word(device, notify.capability.wrapping_add(16));
        let base = map(root, device, platform, common, common::SIZE)
            .ok_or(PciError::Structure("common configuration"))?;
        let doorbells =
            map(root, device, platform, notify, 2).ok_or(PciError::Structure("notification"))?;
        let registers = Self {
            common: base,
            notify: [doorbells; QUEUES as usize],
        };
        let mut notify_addresses = registers.notify;
        for (queue, address) in notify_addresses.iter_mut().enumerate() {
            registers
                .half(common::QUEUE_SELECT)
                .store(queue as u16, Ordering::SeqCst);
            let number = registers
                .half(common::QUEUE_NOTIFY_OFF)
                .load(Ordering::SeqCst);
            let offset = u64::from(number) * u64::from(multiplier);
            if offset % 2 != 0 || offset + 2 > u64::from(notify.length) {
                return Err(PciError::Structure("notification"));
            }
            // SAFETY: within the mapped structure, as just checked.
            *address = unsafe { doorbells.add(offset as usize) };
        }
        Ok(Self {
            notify: notify_addresses,
            ..registers
        })
    }

    fn half(&self, offset: usize) -> &AtomicU16 {
        // SAFETY: all callers pass even offsets of the mapped common structure; an aligned atomic of 16 bits is one
        // access of that width, which is what a register needs.
        unsafe { AtomicU16::from_ptr(self.common.add(offset).as_ptr().cast()) }
    }
}

impl Registers for PciRegisters {
    fn notify(&mut self, queue: u16) {
        if let Some(address) = self.notify.get(usize::from(queue)) {
            // SAFETY: two mapped bytes at an even offset; see `find`.
            unsafe { AtomicU16::from_ptr(address.as_ptr().cast()) }.store(queue, Ordering::Release);
        }
    }

    fn set_vector(&mut self, queue: u16, vector: u16) -> bool {
        self.half(common::QUEUE_SELECT)
            .store(queue, Ordering::SeqCst);
        let register = self.half(common::QUEUE_VECTOR);
        register.store(vector, Ordering::SeqCst);
        register.load(Ordering::SeqCst) == vector
    }
}

/// The first common and the first notification structure.
fn structures<C: ConfigurationAccess>(
    access: &C,
    device: DeviceFunction,
) -> Result<[Option<Place>; 2], PciError> {
    let mut found = [None; 2];
    let mut at = access.read_word(device, 0x34) as u8 & !3;
    for _ in 0..CAPABILITIES_MAX {
        if at < 0x40 {
            return Ok(found);
        }
        let head = access.read_word(device, at);
        let word = |offset: u8| access.read_word(device, at.wrapping_add(offset));
        if head as u8 == VENDOR_SPECIFIC {
            let place = Place {
                bar: word(4) as u8,
                offset: word(8),
                length: word(12),
                capability: at,
            };
            let slot = match (head >> 24) as u8 {
                VIRTIO_PCI_CAP_COMMON_CFG => Some(&mut found[0]),
                VIRTIO_PCI_CAP_NOTIFY_CFG => Some(&mut found[1]),
                _ => None,
            };
            if let Some(slot) = slot {
                slot.get_or_insert(place);
            }
        }
        at = (head >> 8) as u8 & !3;
    }
    Err(PciError::Capabilities)
}

/// Maps a structure, if it is at least `least` bytes and lies within its BAR.
fn map<C: ConfigurationAccess, P: Platform>(
    root: &mut PciRoot<C>,
    device: DeviceFunction,
    platform: &P,
    place: Place,
    least: usize,
) -> Option<NonNull<u8>> {
    let bar = root.bar_info(device, place.bar).ok()??;
    let (address, size) = bar.memory_address_size()?;
    let end = u64::from(place.offset) + u64::from(place.length);
    if (place.length as usize) < least || end > size || !place.offset.is_multiple_of(4) {
        return None;
    }
    platform.map_registers(address + u64::from(place.offset), place.length as usize)
}

/// Opens the network card at `device`. `interrupts` is called once the device decodes memory: it may enable MSI-X and
/// then returns the vector to use.
pub fn open_pci<H: Hal, C: ConfigurationAccess + Clone, P: Platform>(
    access: C,
    device: DeviceFunction,
    platform: &P,
    interrupts: impl FnOnce() -> Option<u16>,
) -> Result<VirtioNet<PciTransport, PciRegisters>, PciError> {
    let mut root = PciRoot::new(access.clone());
    root.set_command(device, Command::MEMORY_SPACE | Command::BUS_MASTER);
    let registers = PciRegisters::find(&access, &mut root, device, platform)?;
    let transport = PciTransport::new::<H, C>(&mut root, device).map_err(PciError::Transport)?;
    let vector = interrupts();
    if vector.is_none() {
        // Nobody would acknowledge an interrupt line.
        root.set_command(
            device,
            Command::MEMORY_SPACE | Command::BUS_MASTER | Command::INTERRUPT_DISABLE,
        );
    }
    VirtioNet::open(transport, registers, platform, vector, &mut || {
        platform.pause()
    })
    .map_err(PciError::Open)
}
