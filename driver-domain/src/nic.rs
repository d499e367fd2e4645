//! The network card of the domain: found on the PCI bus that dom0 passed through, opened, with its interrupt.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use mx_nic::intel::{self, Igb, Ixgbe};
use mx_nic::{LinkState, Nic, OpenError, virtio};
use mx_wire::MacAddress;
use virtio_drivers::transport::pci::bus::{Command, ConfigurationAccess, DeviceFunction, PciRoot};
use xen_pv_boot::event::Channel;
use xen_pv_boot::grant::GrantTable;
use xen_pv_boot::memory::devices::XenPlatform;
use xen_pv_boot::pci::PciFrontend;
use xen_pv_boot::xenstore::Xenstore;

use crate::options::Interrupt;
use crate::wire_link::Reopen;

/// The card, and how it says that it has something.
pub struct OpenNic {
    /// The driver of the card, which is open.
    pub nic: Box<dyn Nic>,
    /// Opens it anew after a reset, with the same interrupt.
    pub reopen: Reopen,
    /// Its interrupt; without one the card is polled.
    pub interrupt: Option<Channel>,
    /// Where it is, to be given back.
    pub slot: Slot,
}

/// Where an open card is.
pub struct Slot {
    frontend: PciFrontend,
    device: DeviceFunction,
    delivery: Delivery,
}

/// As pciback names devices in its directory.
impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DeviceFunction {
            bus,
            device,
            function,
        } = self.device;
        write!(f, "0000:{bus:02x}:{device:02x}.{function:02x}")
    }
}

impl Slot {
    /// The directory of pciback, which has passed the card through.
    pub fn backend(&self) -> &'static str {
        self.frontend.backend()
    }

    /// Gives the card back, whose driver and interrupt channel are dropped: it neither interrupts nor reads memory any more.
    pub fn release(self) {
        let Self {
            frontend, device, ..
        } = self;
        let disabled = match self.delivery {
            Delivery::MsiX => frontend.disable_msix(device),
            Delivery::Msi => frontend.disable_msi(device),
            Delivery::Polled => Ok(()),
        };
        if let Err(error) = disabled {
            log::warn!("{device}: interrupts stay on: {error}");
        }
        PciRoot::new(frontend).set_command(device, Command::empty());
    }
}

/// Finds and opens the first network card that a driver is there for. What is in the way is said in the log.
pub fn find(
    store: &mut Xenstore,
    grants: &mut GrantTable,
    interrupt: Interrupt,
) -> Option<OpenNic> {
    let frontend = match PciFrontend::connect(store, grants) {
        Ok(Some(frontend)) => frontend,
        Ok(None) => {
            log::warn!(
                "no network card: no PCI device was passed through (pci=['...'] in the configuration)"
            );
            return None;
        }
        Err(error) => {
            log::error!("no network card: PCI passthrough failed: {error}");
            return None;
        }
    };
    let mut seen = Vec::new();
    for (device, vendor, id) in devices(&frontend) {
        let Some(driver) = Driver::of(vendor, id) else {
            seen.push(format!("{device} is {vendor:04x}:{id:04x}"));
            continue;
        };
        match open(frontend, device, driver, interrupt) {
            Some(nic) => return Some(nic),
            None => seen.push(format!("{device} failed")),
        }
    }
    let seen = if seen.is_empty() {
        String::from("none at all")
    } else {
        seen.join(", ")
    };
    log::warn!("no network card: none of the PCI devices is one that works here ({seen})");
    None
}

/// Which driver a card takes, by its PCI ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Driver {
    Virtio,
    Igb,
    Ixgbe,
}

impl Driver {
    /// The driver of a PCI function of that vendor and device number.
    fn of(vendor: u16, device: u16) -> Option<Self> {
        if virtio::drives(vendor, device) {
            Some(Self::Virtio)
        } else if intel::drives_igb(vendor, device) {
            Some(Self::Igb)
        } else if intel::drives_ixgbe(vendor, device) {
            Some(Self::Ixgbe)
        } else {
            None
        }
    }
}

/// How a card's interrupt comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    MsiX,
    Msi,
    Polled,
}

/// Turns on the best interrupt that is wanted and that the PCI backend agrees to.
fn interrupt(
    frontend: PciFrontend,
    device: DeviceFunction,
    driver: Driver,
    wanted: Interrupt,
) -> (Option<Channel>, Delivery) {
    if matches!(wanted, Interrupt::Auto | Interrupt::MsiX) {
        match frontend.enable_msix(device, 1) {
            Ok(mut channels) => {
                return (channels.pop(), Delivery::MsiX);
            }
            Err(error) => log::info!("{device}: no MSI-X interrupt: {error}"),
        }
    }
    // virtio has no MSI.
    if driver != Driver::Virtio && matches!(wanted, Interrupt::Auto | Interrupt::Msi) {
        match frontend.enable_msi(device) {
            Ok(channel) => return (Some(channel), Delivery::Msi),
            Err(error) => log::info!("{device}: no MSI interrupt: {error}"),
        }
    }
    log::warn!("{device}: no interrupt, the card will be polled");
    (None, Delivery::Polled)
}

/// Opens a card with its driver.
fn open_nic(
    frontend: PciFrontend,
    device: DeviceFunction,
    driver: Driver,
    delivery: Delivery,
) -> Result<Box<dyn Nic>, OpenError> {
    let options = intel::IntelOptions {
        interrupts: match delivery {
            Delivery::MsiX => intel::Interrupts::MsiX,
            Delivery::Msi => intel::Interrupts::Msi,
            Delivery::Polled => intel::Interrupts::None,
        },
        ..intel::IntelOptions::default()
    };
    Ok(match driver {
        Driver::Virtio => {
            let interrupts = match delivery {
                Delivery::MsiX => virtio::Interrupts::Vectors {
                    configuration: 0,
                    receive: 0,
                    transmit: 0,
                },
                Delivery::Msi | Delivery::Polled => virtio::Interrupts::None,
            };
            let options = virtio::VirtioOptions {
                interrupts,
                ..virtio::VirtioOptions::default()
            };
            Box::new(virtio::open_pci(&frontend, device, XenPlatform, &options)?)
        }
        Driver::Igb => {
            let nic = intel::open_pci::<Igb, _, _>(frontend, device, XenPlatform, &options)?;
            Box::new(nic)
        }
        Driver::Ixgbe => {
            let nic = intel::open_pci::<Ixgbe, _, _>(frontend, device, XenPlatform, &options)?;
            Box::new(nic)
        }
    })
}

fn open(
    frontend: PciFrontend,
    device: DeviceFunction,
    driver: Driver,
    wanted: Interrupt,
) -> Option<OpenNic> {
    // The backend only enables interrupts of a device that decodes its memory.
    PciRoot::new(frontend).set_command(device, Command::MEMORY_SPACE | Command::BUS_MASTER);
    let (interrupt, delivery) = interrupt(frontend, device, driver, wanted);
    let mut reopen: Reopen = Box::new(move || open_and_tell(frontend, device, driver, delivery));
    Some(OpenNic {
        nic: reopen()?,
        reopen,
        interrupt,
        slot: Slot {
            frontend,
            device,
            delivery,
        },
    })
}

/// Resets the card and opens it; the log tells what it is, or why it does not open.
fn open_and_tell(
    frontend: PciFrontend,
    device: DeviceFunction,
    driver: Driver,
    delivery: Delivery,
) -> Option<Box<dyn Nic>> {
    match open_nic(frontend, device, driver, delivery) {
        Ok(mut nic) => {
            let capabilities = nic.capabilities();
            log::info!(
                "network card {device}: {} {}, link {}, frames up to {} bytes, {}",
                capabilities.driver,
                MacAddress(capabilities.mac),
                match nic.link() {
                    LinkState::Up => "up",
                    LinkState::Down => "down",
                },
                capabilities.max_frame,
                match delivery {
                    Delivery::MsiX => "interrupts by MSI-X",
                    Delivery::Msi => "interrupts by MSI",
                    Delivery::Polled => "polled",
                },
            );
            if !capabilities.promiscuous {
                log::warn!("network card {device}: it may drop frames to the guests' addresses");
            }
            Some(nic)
        }
        Err(error) => {
            log::error!("network card {device} could not be opened: {error}");
            None
        }
    }
}

/// Devices on the only bus that pciback shows, functions 0, with vendor and device number.
fn devices(access: &impl ConfigurationAccess) -> Vec<(DeviceFunction, u16, u16)> {
    (0..32)
        .map(|device| DeviceFunction {
            bus: 0,
            device,
            function: 0,
        })
        .filter_map(|device| match access.read_word(device, 0) {
            u32::MAX | 0 => None,
            word => Some((device, word as u16, (word >> 16) as u16)),
        })
        .collect()
}
