//! A driver on a card of QEMU's.

use std::time::Duration;

use mx_nic::intel::{self, Igb, IntelNic, Interrupts, Mmio};
use mx_nic::virtio::{self, VirtioNet};
use mx_nic::{Fragment, Nic};

use crate::machine::{Machine, Messages};
use crate::scenarios::Bench;
use crate::{igb, virtio as virtio_card};

/// TCTL of the 82576, and its EN (§8.12).
const TRANSMIT_CONTROL: u32 = 0x400;
const TRANSMIT_ENABLE: u32 = 1 << 1;

pub struct QemuBench<'a, N> {
    name: &'static str,
    machine: &'a Machine,
    nic: N,
    messages: Messages,
}

impl<'a> QemuBench<'a, VirtioNet<virtio_card::Wired<'a>>> {
    pub fn virtio(machine: &'a Machine) -> Self {
        let messages = machine.enable_msi_x(1);
        let options = virtio::Options {
            interrupts: virtio::Interrupts::Vectors {
                configuration: 0,
                receive: 0,
                transmit: 0,
            },
            ..virtio::Options::default()
        };
        let nic = virtio::open(virtio_card::Wired(machine), machine, &options);
        Self {
            name: "virtio (QEMU)",
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
        let options = intel::Options {
            interrupts,
            ..intel::Options::default()
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
    /// Makes it hang; whether that can be done.
    fn hang(machine: &Machine) -> bool;
}

impl Hang for VirtioNet<virtio_card::Wired<'_>> {
    fn hang(_machine: &Machine) -> bool {
        false
    }
}

impl Hang for IntelNic<Igb, igb::Wired<'_>, &Machine> {
    /// Switches the transmit path off behind the driver's back.
    fn hang(machine: &Machine) -> bool {
        let mut registers = igb::Wired(machine);
        let control = registers.read(TRANSMIT_CONTROL);
        registers.write(TRANSMIT_CONTROL, control & !TRANSMIT_ENABLE);
        true
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
        Some(self.machine.come())
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

    fn hang(&mut self) -> bool {
        N::hang(self.machine)
    }

    fn interrupts(&mut self) -> Option<usize> {
        Some(self.messages.count())
    }
}
