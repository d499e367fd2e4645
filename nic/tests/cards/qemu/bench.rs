//! A driver on a card of QEMU's.

use std::time::Duration;

use mx_nic::intel::{self, Interrupts, Mmio};
use mx_nic::virtio;
use mx_nic::{Fragment, Nic};

use super::machine::{Machine, Messages};
use super::{igb, virtio as virtio_card};
use crate::scenarios::{Bench, Mischief};

/// TCTL of the 82576, and its EN (§8.12).
const TRANSMIT_CONTROL: u32 = 0x400;
const TRANSMIT_ENABLE: u32 = 1 << 1;

pub struct QemuBench<'a, N> {
    name: &'static str,
    machine: &'a Machine,
    nic: N,
    messages: Messages,
}

impl<'a> QemuBench<'a, virtio_card::Card<'a>> {
    pub fn virtio(name: &'static str, machine: &'a Machine, queue_pairs: u16) -> Self {
        let messages = machine.enable_msi_x(1);
        let options = virtio::VirtioOptions {
            interrupts: virtio::Interrupts::Vectors {
                configuration: 0,
                receive: 0,
                transmit: 0,
            },
            queue_pairs,
            ..virtio::VirtioOptions::default()
        };
        let nic = virtio::open(virtio_card::Wired(machine), machine, &options);
        Self {
            name,
            machine,
            nic: nic.expect("the card opens"),
            messages,
        }
    }
}

impl<'a> QemuBench<'a, igb::Card<'a>> {
    pub fn igb(machine: &'a Machine, interrupts: Interrupts) -> Self {
        let (name, messages) = match interrupts {
            Interrupts::MsiX => ("igb, MSI-X (QEMU)", machine.enable_msi_x(3)),
            Interrupts::Msi | Interrupts::None => ("igb, MSI (QEMU)", machine.enable_msi()),
        };
        let options = intel::IntelOptions {
            interrupts,
            ..intel::IntelOptions::default()
        };
        let nic = intel::open(igb::Wired(machine), machine, &options);
        Self {
            name,
            machine,
            nic: nic.expect("the card opens"),
            messages,
        }
    }
}

/// A driver on a card that can be made to hang.
pub trait Hang {
    /// Makes it hang, or ends that.
    fn hang(machine: &Machine, on: bool);
}

impl Hang for virtio_card::Card<'_> {
    /// A machine that is stopped looks at no queue; its registers answer.
    fn hang(machine: &Machine, on: bool) {
        machine.stop(on);
    }
}

impl Hang for igb::Card<'_> {
    /// Switches the transmit path off behind the driver's back. A reset ends it.
    fn hang(machine: &Machine, on: bool) {
        if on {
            let mut registers = igb::Wired(machine);
            let control = registers.read(TRANSMIT_CONTROL);
            registers.write(TRANSMIT_CONTROL, control & !TRANSMIT_ENABLE);
        }
    }
}

impl<N: Nic + Hang> Bench for QemuBench<'_, N> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn nic(&mut self) -> &mut dyn Nic {
        &mut self.nic
    }

    fn send(&mut self, frame: &[u8]) -> bool {
        self.machine.send(frame)
    }

    fn come(&mut self) -> Option<Vec<u8>> {
        self.machine.come_soon()
    }

    fn buffer(&mut self, bytes: &[u8]) -> Fragment {
        self.machine.buffer(bytes)
    }

    fn set_link(&mut self, up: bool) {
        self.machine.set_link(up);
    }

    fn pass(&mut self) {
        std::thread::sleep(Duration::from_micros(50));
    }

    fn inject(&mut self, mischief: Mischief, on: bool) -> bool {
        match mischief {
            Mischief::Hang => N::hang(self.machine, on),
            Mischief::DmaFails => self.machine.set_bus_master(!on),
            _ => return false,
        }
        true
    }

    fn interrupts(&mut self) -> Option<usize> {
        Some(self.messages.count())
    }
}
