//! virtio-net.

use mx_nic::virtio::{RingAddresses, Transport, VirtioNet, VirtioOptions, open};
use mx_nic::{Armed, Fragment, LinkState, Nic, OpenError, Token};

use super::machine::{BAR, Machine};
use super::wire::Wire;
use super::{exchange, frame, until};

/// Where QEMU has the structures in BAR 4.
const COMMON: u64 = BAR;
const INTERRUPT_STATUS: u64 = BAR + 0x1000;
const DEVICE: u64 = BAR + 0x2000;
const NOTIFY: u64 = BAR + 0x3000;

/// The card's registers, at the offsets of virtio 1.2 §4.1.4.3.
pub struct Wired<'a>(pub &'a Machine);

impl Wired<'_> {
    fn read(&self, width: char, at: u64) -> u64 {
        self.0.ask(&format!("read{width} {at:#x}"))
    }

    fn write(&self, width: char, at: u64, value: u64) {
        self.0.ask(&format!("write{width} {at:#x} {value:#x}"));
    }

    fn select(&self, queue: u16) {
        self.write('w', COMMON + 0x16, queue.into());
    }
}

impl Transport for Wired<'_> {
    fn device_features(&mut self) -> u64 {
        self.write('l', COMMON, 0);
        let low = self.read('l', COMMON + 0x04);
        self.write('l', COMMON, 1);
        self.read('l', COMMON + 0x04) << 32 | low
    }

    fn accept_features(&mut self, features: u64) {
        self.write('l', COMMON + 0x08, 0);
        self.write('l', COMMON + 0x0c, features & 0xffff_ffff);
        self.write('l', COMMON + 0x08, 1);
        self.write('l', COMMON + 0x0c, features >> 32);
    }

    fn status(&self) -> u8 {
        self.read('b', COMMON + 0x14) as u8
    }

    fn set_status(&mut self, status: u8) {
        self.write('b', COMMON + 0x14, status.into());
    }

    fn queue_size(&mut self, queue: u16) -> u16 {
        self.select(queue);
        self.read('w', COMMON + 0x18) as u16
    }

    fn enable_queue(
        &mut self,
        queue: u16,
        size: u16,
        rings: RingAddresses,
    ) -> Result<(), OpenError> {
        self.select(queue);
        self.write('w', COMMON + 0x18, size.into());
        let addresses = [rings.descriptors, rings.available, rings.used];
        for (at, address) in (COMMON + 0x20..).step_by(8).zip(addresses) {
            self.write('l', at, address & 0xffff_ffff);
            self.write('l', at + 4, address >> 32);
        }
        self.write('w', COMMON + 0x1c, 1);
        Ok(())
    }

    fn set_queue_vector(&mut self, queue: u16, vector: u16) -> bool {
        self.select(queue);
        self.write('w', COMMON + 0x1a, vector.into());
        self.read('w', COMMON + 0x1a) == u64::from(vector)
    }

    fn set_configuration_vector(&mut self, vector: u16) -> bool {
        self.write('w', COMMON + 0x10, vector.into());
        self.read('w', COMMON + 0x10) == u64::from(vector)
    }

    fn notify(&mut self, queue: u16) {
        self.write('w', NOTIFY + 4 * u64::from(queue), queue.into());
    }

    fn acknowledge(&mut self) {
        self.read('b', INTERRUPT_STATUS);
    }

    fn configuration_generation(&self) -> u8 {
        self.read('b', COMMON + 0x15) as u8
    }

    fn configuration8(&self, offset: usize) -> Option<u8> {
        Some(self.read('b', DEVICE + offset as u64) as u8)
    }

    fn configuration16(&self, offset: usize) -> Option<u16> {
        Some(self.read('w', DEVICE + offset as u64) as u16)
    }
}

/// A machine with such a card.
pub fn start(options: &str, wire: Wire) -> Machine {
    Machine::start(&format!("virtio-net-pci,{options}"), 4, wire)
}

pub type Card<'a> = VirtioNet<Wired<'a>, &'a Machine>;

fn open_card(machine: &Machine) -> Card<'_> {
    open(Wired(machine), machine, &VirtioOptions::default()).expect("the card opens")
}

/// Cards with and without tables of descriptors, event indices, and mergeable buffers.
const CARDS: [&str; 6] = [
    "mac=52:54:00:12:34:56",
    "mac=52:54:00:12:34:56,event_idx=off",
    "mac=52:54:00:12:34:56,indirect_desc=off",
    "mac=52:54:00:12:34:56,indirect_desc=off,event_idx=off",
    "mac=52:54:00:12:34:56,mrg_rxbuf=off",
    "mac=52:54:00:12:34:56,mq=on,vectors=6",
];

#[test]
fn qemu_sends_and_receives_frames_of_all_lengths_past_the_end_of_its_rings() {
    for card in CARDS {
        let machine = start(card, Wire::Socket);
        let mut nic = open_card(&machine);
        let capabilities = nic.capabilities();
        assert_eq!(capabilities.mac, [0x52, 0x54, 0, 0x12, 0x34, 0x56]);
        assert!(capabilities.promiscuous);
        assert_eq!(nic.link(), LinkState::Up);

        exchange::all_lengths(&machine, &mut nic, card);
        assert_eq!(nic.fault(), None);
        assert_eq!(nic.arm(0), Armed::Quiet);
    }
}

#[test]
fn qemu_takes_bursts_of_128_frames_of_five_pieces() {
    let machine = start(CARDS[0], Wire::Socket);
    let mut nic = open_card(&machine);
    let payload = frame(7, 8000);
    let part = machine.buffer(&payload);
    let quarters: Vec<Fragment> = (0..4)
        .map(|quarter| Fragment {
            bus: part.bus + quarter * 2000,
            len: 2000,
        })
        .collect();
    let before = nic.statistics().doorbells;
    let mut back = 0;
    for round in 0..10u64 {
        for number in 0..128 {
            let head = frame(round * 128 + number, 60);
            nic.transmit(0, &[&head], &quarters, Token(round * 128 + number))
                .expect("there is room");
        }
        nic.flush(0);
        for number in 0..128 {
            let expected = [&frame(round * 128 + number, 60)[..], &payload].concat();
            assert_eq!(machine.come(), expected);
        }
        until("all tokens come back", || {
            let mut tokens = [Token::default(); 200];
            let count = nic.completed(0, &mut tokens);
            for token in &tokens[..count] {
                assert_eq!(*token, Token(back));
                back += 1;
            }
            back == (round + 1) * 128
        });
    }
    assert!(nic.statistics().doorbells - before <= 10, "one per burst");
}

#[test]
fn a_card_that_is_opened_again_forgets_its_past() {
    let machine = start(CARDS[0], Wire::Socket);
    drop(open_card(&machine));
    let mut nic = open_card(&machine);
    nic.transmit(0, &[&frame(1, 60)], &[], Token(1))
        .expect("there is room");
    nic.flush(0);
    assert_eq!(machine.come(), frame(1, 60));
}
