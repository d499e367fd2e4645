//! The network card of the domain: found on the PCI bus that dom0 passed through, opened, with its interrupt.

use alloc::string::String;
use alloc::vec::Vec;

use mx_nic::virtio::{PciRegisters, VirtioNet, open_pci};
use mx_nic::{MacAddress, Nic};
use virtio_drivers::transport::DeviceType;
use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction};
use virtio_drivers::transport::pci::{PciTransport, VIRTIO_VENDOR_ID};
use xen_pv_boot::event::Channel;
use xen_pv_boot::grant::GrantTable;
use xen_pv_boot::memory::devices::{XenHal, XenPlatform};
use xen_pv_boot::pci::PciFrontend;
use xen_pv_boot::xenstore::Xenstore;

/// The card, and how it says that it has something.
pub struct Card {
    /// The driver.
    pub nic: VirtioNet<PciTransport, PciRegisters>,
    /// Its interrupt; without one the card is polled.
    pub interrupt: Option<Channel>,
}

/// Finds and opens the first network card that a driver is there for. What is in the way is said in the log.
pub fn find(store: &mut Xenstore, grants: &mut GrantTable) -> Option<Card> {
    let frontend = match PciFrontend::connect(store, grants) {
        Ok(Some(frontend)) => frontend,
        Ok(None) => {
            log::warn!(
                "no network card: no PCI device was passed through (pci=[…] in the configuration)"
            );
            return None;
        }
        Err(error) => {
            log::error!("no network card: PCI passthrough failed: {error}");
            return None;
        }
    };
    let devices = devices(&frontend);
    let mut seen = Vec::new();
    for (device, vendor, id) in devices {
        if !is_virtio_network(vendor, id) {
            seen.push(alloc::format!("{device} is {vendor:04x}:{id:04x}"));
            continue;
        }
        match open(frontend, device) {
            Some(card) => return Some(card),
            None => seen.push(alloc::format!("{device} failed")),
        }
    }
    let seen = if seen.is_empty() {
        String::from("none at all")
    } else {
        seen.join(", ")
    };
    log::warn!("no network card: no virtio network card among the PCI devices ({seen})");
    None
}

fn open(frontend: PciFrontend, device: DeviceFunction) -> Option<Card> {
    let mut interrupt = None;
    let opened = open_pci::<XenHal, _, _>(frontend, device, &XenPlatform, || {
        match frontend.enable_msix(device, 1) {
            Ok(mut channels) => {
                interrupt = channels.pop();
                interrupt.as_ref().map(|_| 0)
            }
            Err(error) => {
                log::warn!("{device}: no MSI-X interrupt, the card will be polled: {error}");
                None
            }
        }
    });
    match opened {
        Ok(nic) => {
            let capabilities = nic.capabilities();
            log::info!(
                "{device}: {} with address {}, frames up to {} bytes, {} in flight, {}",
                capabilities.driver,
                Mac(nic.mac()),
                capabilities.max_frame,
                capabilities.transmit_slots,
                if interrupt.is_some() {
                    "MSI-X"
                } else {
                    "polled"
                },
            );
            Some(Card { nic, interrupt })
        }
        Err(error) => {
            log::error!("{device}: the network card could not be opened: {error}");
            None
        }
    }
}

/// Devices on the only bus that pciback shows, functions 0.
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

fn is_virtio_network(vendor: u16, id: u16) -> bool {
    // A modern network card, or a transitional one.
    vendor == VIRTIO_VENDOR_ID && (id == 0x1040 + DeviceType::Network as u16 || id == 0x1000)
}

/// An address as people write it.
pub struct Mac(pub MacAddress);

impl core::fmt::Display for Mac {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}
