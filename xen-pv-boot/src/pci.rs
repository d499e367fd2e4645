//! The PCI frontend: configuration space and interrupts of the devices that dom0 passed through to this domain
//! (`io/pciif.h`; the backend is dom0's pciback).

use core::sync::atomic::Ordering;
use core::time::Duration;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction};
use xen_sys::pciif as abi;

use crate::clock;
use crate::event::{self, Channel};
use crate::grant::{GrantError, GrantTable};
use crate::memory::dma;
use crate::types::{DomId, Errno};
use crate::xenbus::XenbusState;
use crate::xenstore::{self, Xenstore};

/// The own directory; libxl makes one for all devices.
pub const DIRECTORY: &str = "device/pci/0";

/// How long the backend may take: it resets devices meanwhile.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Why there is no PCI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PciError {
    /// Xenstore failed.
    #[error("xenstore: {0}")]
    Store(#[from] xenstore::Error),
    /// The backend's directory names a domain that cannot be.
    #[error("the backend's domain number cannot be")]
    BadBackend,
    /// No page for the shared structure, or no grant for it.
    #[error("no grant for the shared page: {0}")]
    Grant(GrantError),
    /// No page.
    #[error("no page for the shared structure")]
    NoMemory,
    /// No event channel.
    #[error("no event channel: {0}")]
    Event(Errno),
    /// The backend did not connect, or did not answer.
    #[error("the PCI backend in dom0 does not answer")]
    Timeout,
    /// The backend refused an operation.
    #[error("the PCI backend refused: error {0}")]
    Operation(i32),
}

struct Shared {
    /// The backend's directory.
    backend: String,
    page: &'static abi::PciSharedInfo,
    channel: Channel,
}

/// The connection to the PCI backend. It lives as long as the domain; copies name the same connection.
#[derive(Clone, Copy)]
pub struct PciFrontend {
    shared: &'static Shared,
}

impl PciFrontend {
    /// Connects to the backend; `None` when no device was passed through.
    pub fn connect(
        store: &mut Xenstore,
        grants: &mut GrantTable,
    ) -> Result<Option<Self>, PciError> {
        let client = store.client();
        let backend = match store.wait(client.read(&format!("{DIRECTORY}/backend"))) {
            Ok(backend) => backend,
            Err(xenstore::Error::NotFound) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let path = format!("{DIRECTORY}/backend-id");
        let domain = store.wait(client.read_number(&path))?;
        let domain = DomId::new(domain).ok_or(PciError::BadBackend)?;
        let region = dma::allocate(1).ok_or(PciError::NoMemory)?;
        let reference = grants
            .grant(domain, &region, 0, false)
            .map_err(PciError::Grant)?;
        let channel = Channel::listen(domain).map_err(PciError::Event)?;
        let nodes = [
            ("pci-op-ref", format!("{}", reference.0)),
            ("event-channel", format!("{}", channel.port())),
            ("magic", abi::XEN_PCI_MAGIC.into()),
            ("state", format!("{}", XenbusState::Initialised.number())),
        ];
        let there = format!("{DIRECTORY}/backend");
        store.wait(client.write_below(&there, DIRECTORY, &nodes))?;
        let deadline = clock::now() + TIMEOUT;
        let state = format!("{backend}/state");
        while store
            .wait(client.read(&state))
            .map_or(XenbusState::Unknown, |state| XenbusState::parse(&state))
            != XenbusState::Connected
        {
            if clock::now() > deadline {
                return Err(PciError::Timeout);
            }
            event::sleep(Duration::from_millis(5));
        }
        let own = format!("{DIRECTORY}/state");
        store.wait(client.write(&own, XenbusState::Connected.number()))?;
        // SAFETY: the page stays mapped for good, and all of it is atomics.
        let page = unsafe { region.base.cast::<abi::PciSharedInfo>().as_ref() };
        Ok(Some(Self {
            shared: Box::leak(Box::new(Shared {
                backend,
                page,
                channel,
            })),
        }))
    }

    /// Where the backend's keys stand in xenstore.
    pub fn backend(&self) -> &'static str {
        &self.shared.backend
    }

    fn operate(
        &self,
        command: u32,
        device: DeviceFunction,
        offset: u32,
        size: u32,
        value: u32,
    ) -> Result<u32, PciError> {
        let Shared { page, channel, .. } = self.shared;
        let devfn = u32::from(device.device) << 3 | u32::from(device.function);
        for (word, value) in [
            (&page.command, command),
            (&page.error, 0),
            (&page.domain, 0),
            (&page.bus, u32::from(device.bus)),
            (&page.devfn, devfn),
            (&page.offset, offset),
            (&page.size, size),
            (&page.value, value),
        ] {
            word.store(value, Ordering::Relaxed);
        }
        page.flags.fetch_or(abi::XEN_PCIF_ACTIVE, Ordering::AcqRel);
        channel.send().map_err(PciError::Event)?;
        let deadline = clock::now() + TIMEOUT;
        while page.flags.load(Ordering::Acquire) & abi::XEN_PCIF_ACTIVE != 0 {
            if clock::now() > deadline {
                return Err(PciError::Timeout);
            }
            event::wait([channel], Some(deadline));
            channel.take();
        }
        match page.error.load(Ordering::Relaxed) as i32 {
            0 => Ok(page.value.load(Ordering::Relaxed)),
            error => Err(PciError::Operation(error)),
        }
    }

    /// Turns `count` MSI-X interrupts of a device on; a channel for each.
    pub fn enable_msix(
        &self,
        device: DeviceFunction,
        count: usize,
    ) -> Result<Vec<Channel>, PciError> {
        let entries = &self.shared.page.msix_entries;
        let entries = entries.get(..count).ok_or(PciError::Operation(-22))?;
        for (index, entry) in entries.iter().enumerate() {
            entry.store((index as u32) << 16, Ordering::Relaxed);
        }
        let command = abi::XEN_PCI_OP_ENABLE_MSIX;
        self.operate(command, device, 0, 0, count as u32)?;
        entries
            .iter()
            .map(|entry| {
                let interrupt = entry.load(Ordering::Relaxed) & 0xffff;
                Channel::interrupt(interrupt).map_err(PciError::Event)
            })
            .collect()
    }

    /// Turns the MSI interrupt of a device on.
    pub fn enable_msi(&self, device: DeviceFunction) -> Result<Channel, PciError> {
        let interrupt = self.operate(abi::XEN_PCI_OP_ENABLE_MSI, device, 0, 0, 0)?;
        Channel::held_interrupt(interrupt).map_err(PciError::Event)
    }

    /// Turns the MSI-X interrupts of a device off, whose channels are dropped.
    pub fn disable_msix(&self, device: DeviceFunction) -> Result<(), PciError> {
        self.operate(abi::XEN_PCI_OP_DISABLE_MSIX, device, 0, 0, 0)
            .map(drop)
    }

    /// Turns the MSI interrupt of a device off, whose channel is dropped.
    pub fn disable_msi(&self, device: DeviceFunction) -> Result<(), PciError> {
        self.operate(abi::XEN_PCI_OP_DISABLE_MSI, device, 0, 0, 0)
            .map(drop)
    }
}

impl ConfigurationAccess for PciFrontend {
    /// All ones, as on a bus, where there is no device.
    fn read_word(&self, device: DeviceFunction, register: u8) -> u32 {
        self.operate(abi::XEN_PCI_OP_CONF_READ, device, u32::from(register), 4, 0)
            .unwrap_or(u32::MAX)
    }

    fn write_word(&mut self, device: DeviceFunction, register: u8, data: u32) {
        let written = self.operate(
            abi::XEN_PCI_OP_CONF_WRITE,
            device,
            u32::from(register),
            4,
            data,
        );
        if let Err(error) = written {
            log::warn!("{device}: configuration register {register:#x} not written: {error}");
        }
    }

    unsafe fn unsafe_clone(&self) -> Self {
        *self
    }
}
