//! The network card of the domain: found on the PCI bus that dom0 passed through, opened, with its interrupt.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use mx_nic::virtio::{Interrupts, Options, drives, open_pci};
use mx_nic::{LinkState, Nic};
use mx_wire::MacAddress;
use virtio_drivers::transport::pci::bus::{Command, ConfigurationAccess, DeviceFunction, PciRoot};
use xen_pv_boot::event::Channel;
use xen_pv_boot::grant::GrantTable;
use xen_pv_boot::memory::devices::XenPlatform;
use xen_pv_boot::pci::PciFrontend;
use xen_pv_boot::xenstore::Xenstore;

/// The card, and how it says that it has something.
pub struct Card {
    /// The driver.
    pub nic: Box<dyn Nic>,
    /// Its interrupt; without one the card is polled.
    pub interrupt: Option<Channel>,
}

/// Finds and opens the first network card that a driver is there for. What is in the way is said in the log.
pub fn find(store: &mut Xenstore, grants: &mut GrantTable) -> Option<Card> {
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
        if !drives(vendor, id) {
            seen.push(format!("{device} is {vendor:04x}:{id:04x}"));
            continue;
        }
        match open(frontend, device) {
            Some(card) => return Some(card),
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

fn open(frontend: PciFrontend, device: DeviceFunction) -> Option<Card> {
    // The backend only enables interrupts of a device that decodes its memory.
    PciRoot::new(frontend).set_command(device, Command::MEMORY_SPACE | Command::BUS_MASTER);
    let interrupt = match frontend.enable_msix(device, 1) {
        Ok(mut channels) => channels.pop(),
        Err(error) => {
            log::warn!("{device}: no MSI-X interrupt, the card will be polled: {error}");
            None
        }
    };
    let interrupts = match interrupt {
        Some(_) => Interrupts::Vectors {
            configuration: 0,
            receive: 0,
            transmit: 0,
        },
        None => Interrupts::None,
    };
    let options = Options {
        interrupts,
        ..Options::default()
    };
    match open_pci(&frontend, device, &XenPlatform, &options) {
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
                if capabilities.interrupts {
                    "interrupts by MSI-X"
                } else {
                    "polled"
                },
            );
            if !capabilities.promiscuous {
                log::warn!("network card {device}: it may drop frames to the guests' addresses");
            }
            Some(Card {
                nic: Box::new(nic),
                interrupt,
            })
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
