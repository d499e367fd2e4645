//! Where PCI has a card: all registers lie in BAR 0 (chapter 9 of both datasheets).

use virtio_drivers::transport::pci::bus::{Command, ConfigurationAccess, DeviceFunction, PciRoot};

use super::chip::Chip;
use super::net::{IntelNic, open};
use super::options::IntelOptions;
use crate::{OpenError, Platform, Registers};

const INTEL: u16 = 0x8086;
/// Copper, fibre, serdes, four ports and mezzanines of the 82576.
const IGB: [u16; 7] = [0x10c9, 0x10e6, 0x10e7, 0x10e8, 0x1526, 0x150a, 0x1518];
/// Backplanes, CX4, SFP+ cages and LOMs of the 82599.
const IXGBE: [u16; 12] = [
    0x10f7, 0x10f8, 0x10f9, 0x10fb, 0x10fc, 0x1507, 0x1514, 0x1517, 0x1529, 0x152a, 0x154d, 0x1557,
];

/// Bytes of registers that both chips have (§8.1 of both datasheets).
const REGISTERS: u64 = 0x20000;

/// Whether a PCI function of that vendor and device number is an 82576, for [`Igb`](super::Igb).
pub fn drives_igb(vendor: u16, device: u16) -> bool {
    vendor == INTEL && IGB.contains(&device)
}

/// Whether it is an 82599, for [`Ixgbe`](super::Ixgbe).
pub fn drives_ixgbe(vendor: u16, device: u16) -> bool {
    vendor == INTEL && IXGBE.contains(&device)
}

/// Opens the card at `function`: turns on its memory decoding and bus mastering, and its interrupt line off.
///
/// The caller has seen to it that the function is a `C`, and has enabled the interrupts that `options` name.
pub fn open_pci<C: Chip, A: ConfigurationAccess, P: Platform>(
    access: A,
    function: DeviceFunction,
    platform: P,
    options: &IntelOptions,
) -> Result<IntelNic<C, Registers, P>, OpenError> {
    let mut root = PciRoot::new(access);
    root.set_command(
        function,
        Command::MEMORY_SPACE | Command::BUS_MASTER | Command::INTERRUPT_DISABLE,
    );
    let bar = root
        .bar_info(function, 0)
        .ok()
        .flatten()
        .and_then(|bar| bar.memory_address_size());
    let (bus, _) = bar
        .filter(|&(bus, size)| bus != 0 && size >= REGISTERS)
        .ok_or(OpenError::Registers("BAR 0 is too small for them"))?;
    let registers = platform
        .registers(bus, REGISTERS as usize)
        .ok_or(OpenError::NotMapped { bus })?;
    open(registers, platform, options)
}
