//! The 82576.

use mx_nic::intel::{Igb, IntelNic, IntelOptions, Mmio, open};
use mx_nic::{Armed, LinkState, Nic};

use super::machine::{BAR, Machine};
use super::wire::Wire;
use super::{exchange, until};

/// The registers of the card.
pub struct Wired<'a>(pub &'a Machine);

impl Mmio for Wired<'_> {
    fn read(&self, register: u32) -> u32 {
        self.0
            .ask(&format!("readl {:#x}", BAR + u64::from(register))) as u32
    }

    fn write(&mut self, register: u32, value: u32) {
        let at = BAR + u64::from(register);
        self.0.ask(&format!("writel {at:#x} {value:#x}"));
    }
}

pub type Card<'a> = IntelNic<Igb, Wired<'a>, &'a Machine>;

pub fn start() -> Machine {
    Machine::start("igb,mac=52:54:00:12:34:56,romfile=", 0, Wire::Socket)
}

fn open_card(machine: &Machine) -> Card<'_> {
    let mut nic = open(Wired(machine), machine, &IntelOptions::default()).expect("the card opens");
    until("the link comes up", || nic.link() == LinkState::Up);
    nic
}

#[test]
fn qemu_sends_and_receives_frames_of_all_lengths_past_the_end_of_its_rings() {
    let machine = start();
    let mut nic = open_card(&machine);
    let capabilities = nic.capabilities();
    assert_eq!(capabilities.mac, [0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    exchange::all_lengths(&machine, &mut nic, "igb");
    assert_eq!(nic.fault(), None);
    assert_eq!(nic.arm(0), Armed::Quiet);
}
