//! Registers on PCI: where they are found, and cards that describe themselves wrongly.
//!
//! The registers are plain memory here: a card that answers every question with what was last written. That is enough
//! of a card to be opened.

use std::cell::RefCell;
use std::ptr::NonNull;

use mx_nic::dma::DmaMemory;
use mx_nic::virtio::{VirtioOptions, drives, open_pci};
use mx_nic::{HeapPlatform, Nic, OpenError, Platform, Registers, Token};
use proptest::prelude::*;
use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction};

use super::frame;
use crate::model::virtio::MAC;

const FUNCTION: DeviceFunction = DeviceFunction {
    bus: 0,
    device: 0,
    function: 0,
};
/// BAR 4, 16 KiB of it.
const BAR: u64 = 0xfe00_0000;
const BAR_SIZE: u32 = 0x4000;

/// Where QEMU has the structures.
const COMMON: usize = 0x0;
const INTERRUPT_STATUS: usize = 0x1000;
const CONFIGURATION: usize = 0x2000;
const NOTIFY: usize = 0x3000;

thread_local! {
    static SPACE: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

/// Configuration space of one device.
struct Space;

impl ConfigurationAccess for Space {
    fn read_word(&self, _function: DeviceFunction, register: u8) -> u32 {
        SPACE.with_borrow(|space| space[usize::from(register) / 4])
    }

    fn write_word(&mut self, _function: DeviceFunction, register: u8, value: u32) {
        SPACE.with_borrow_mut(|space| match register {
            0x04 => space[1] = space[1] & 0xffff_0000 | value & 0xffff,
            // The size of BAR 4 shows when all ones are written.
            0x20 => space[8] = value & !(BAR_SIZE - 1) | 0x4,
            0x24 => space[9] = value,
            _ => {}
        });
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Self
    }
}

/// Maps BAR 4 and nothing else.
struct Machine {
    memory: DmaMemory,
}

impl Machine {
    /// A card whose registers look like those of an idle virtio-net.
    fn new() -> Self {
        let mut memory = HeapPlatform
            .allocate(BAR_SIZE as usize / 4096)
            .expect("memory");
        // Features read the same for both halves: MAC in the lower, VERSION_1 in the upper.
        memory.write(COMMON + 0x04, &0x21u32.to_le_bytes());
        memory.write(COMMON + 0x12, &2u16.to_le_bytes());
        memory.write(COMMON + 0x18, &256u16.to_le_bytes());
        memory.write(COMMON + 0x1e, &1u16.to_le_bytes());
        memory.write(CONFIGURATION, &MAC);
        Self { memory }
    }

    fn word16(&self, at: usize) -> u16 {
        self.memory
            .word16(at)
            .load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl Platform for Machine {
    fn allocate(&self, pages: usize) -> Option<DmaMemory> {
        HeapPlatform.allocate(pages)
    }

    fn registers(&self, bus: u64, bytes: usize) -> Option<Registers> {
        let offset = bus.checked_sub(BAR)? as usize;
        if offset + bytes > BAR_SIZE as usize {
            return None;
        }
        let base = std::ptr::with_exposed_provenance_mut(self.memory.bus(offset) as usize);
        // SAFETY: part of the memory above, which outlives the card in these tests.
        Some(unsafe { Registers::new(NonNull::new(base)?, bytes) })
    }

    fn pause(&self, _microseconds: u32) {}
}

/// A capability of virtio: type, BAR, offset, length.
#[derive(Clone, Copy, Debug)]
struct Capability(u8, u8, u32, u32);

/// The four that a card needs, as QEMU has them.
const QEMU: [Capability; 4] = [
    Capability(1, 4, COMMON as u32, 0x1000),
    Capability(3, 4, INTERRUPT_STATUS as u32, 0x1000),
    Capability(4, 4, CONFIGURATION as u32, 0x1000),
    Capability(2, 4, NOTIFY as u32, 0x1000),
];

/// Fills configuration space; capabilities 20 bytes apart, the last one pointing to `last_next`.
fn describe(device: u16, capabilities: &[Capability], last_next: u8) {
    let mut space = vec![0u32; 64];
    space[0] = 0x1af4 | u32::from(device) << 16;
    space[1] = 0x0010 << 16;
    space[8] = BAR as u32 | 0x4;
    space[0x34 / 4] = 0x40;
    for (index, &Capability(kind, bar, offset, length)) in capabilities.iter().enumerate() {
        let at = (0x40 + 20 * index) / 4;
        let next = if index + 1 < capabilities.len() {
            0x40 + 20 * (index as u32 + 1)
        } else {
            last_next.into()
        };
        space[at] = 0x09 | next << 8 | 20 << 16 | u32::from(kind) << 24;
        space[at + 1] = bar.into();
        space[at + 2] = offset;
        space[at + 3] = length;
        space[at + 4] = 4;
    }
    SPACE.set(space);
}

fn refusal(machine: &Machine) -> Option<OpenError> {
    open_pci(&Space, FUNCTION, machine, &VirtioOptions::default()).err()
}

#[test]
fn registers_are_found_where_qemu_has_them() {
    let machine = Machine::new();
    describe(0x1041, &QEMU, 0);
    let mut card =
        open_pci(&Space, FUNCTION, &machine, &VirtioOptions::default()).expect("it opens");
    assert_eq!(card.capabilities().mac, MAC);
    SPACE.with_borrow(|space| {
        assert_eq!(
            space[1] & 0xffff,
            0x406,
            "memory, bus master, no interrupt line"
        );
        assert_eq!(space[8], BAR as u32 | 0x4, "the BAR is as it was");
    });
    assert_eq!(machine.word16(COMMON + 0x1c), 1, "the queue is enabled");
    // Its doorbell lies one multiplier of four bytes behind the first.
    card.transmit(0, &[&frame(0, 60)], &[], Token(0))
        .expect("there is room");
    card.flush(0);
    assert_eq!(machine.word16(NOTIFY + 4), 1);
}

#[test]
fn only_virtio_net_is_driven() {
    let machine = Machine::new();
    assert!(drives(0x1af4, 0x1041) && drives(0x1af4, 0x1000));
    assert!(!drives(0x8086, 0x1041) && !drives(0x1af4, 0x1042));
    describe(0x1042, &QEMU, 0);
    assert_eq!(
        refusal(&machine),
        Some(OpenError::NotThisCard {
            vendor: 0x1af4,
            device: 0x1042
        })
    );
}

#[test]
fn structures_outside_of_their_bar_are_refused() {
    let machine = Machine::new();
    for (which, wrong) in [
        (0, Capability(1, 4, 0x3ff0, 0x1000)),
        (0, Capability(1, 4, u32::MAX - 3, 0x1000)),
        (0, Capability(1, 4, 0, 0x37)),
        (0, Capability(1, 255, 0, 0x1000)),
        (0, Capability(1, 5, 0, 0x1000)),
        (1, Capability(3, 4, 0x1002, 1)),
        (3, Capability(2, 4, NOTIFY as u32, 1)),
        (3, Capability(2, 4, NOTIFY as u32, 4)),
        (2, Capability(4, 4, CONFIGURATION as u32, 4)),
    ] {
        let mut capabilities = QEMU;
        capabilities[which] = wrong;
        describe(0x1041, &capabilities, 0);
        let refusal = refusal(&machine);
        assert!(
            matches!(refusal, Some(OpenError::Registers(_))),
            "{wrong:?}: {refusal:?}"
        );
    }
}

#[test]
fn a_list_of_capabilities_without_an_end_ends() {
    let machine = Machine::new();
    describe(0x1041, &QEMU[..2], 0x40);
    assert!(matches!(refusal(&machine), Some(OpenError::Registers(_))));
}

#[test]
fn a_card_that_is_gone_is_not_opened() {
    let machine = Machine::new();
    SPACE.set(vec![u32::MAX; 64]);
    assert_eq!(
        refusal(&machine),
        Some(OpenError::NotThisCard {
            vendor: 0xffff,
            device: 0xffff
        })
    );
}

proptest! {
    /// Whatever configuration space says, opening ends with a card or a cause.
    #[test]
    fn no_configuration_space_breaks_the_driver(
        words in prop::collection::vec(
            prop_oneof![any::<u32>(), Just(0), Just(u32::MAX), Just(0x0414_4009), Just(0x0114_fc09)],
            64,
        ),
        honest in 0usize..=4,
    ) {
        let machine = Machine::new();
        describe(0x1041, &QEMU[..honest], 0);
        SPACE.with_borrow_mut(|space| {
            let described = (0x40 + 20 * honest) / 4;
            for (at, &word) in words.iter().enumerate().skip(described) {
                space[at] = word;
            }
            if honest < 4 {
                // The last honest capability leads into the noise.
                let last = (0x40 + 20 * honest.max(1) - 20) / 4;
                space[last] = space[last] & !0xff00 | (described as u32 * 4) << 8;
            }
        });
        let opened = open_pci(&Space, FUNCTION, &machine, &VirtioOptions::default()).is_ok();
        prop_assert!(opened || honest < 4);
    }
}
