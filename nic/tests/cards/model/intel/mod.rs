//! A register-level model of the 82576 and the 82599, from their datasheets, for tests.
//!
//! A driver that gets along with it writes known registers only, and keeps reserved bits. For what it does wrong see
//! [`Faults`].
//!
//! | file | what it knows |
//! |---|---|
//! | `card.rs` | the card behind its registers: time, wire, link, interrupts, filters |
//! | `queue.rs` | rings and descriptors |
//! | `igb.rs`, `ixgbe.rs` | a chip's registers and the order that it wants |
//! | `map.rs` | tables of registers |

pub mod card;
mod igb;
mod ixgbe;
mod map;
mod queue;

use std::cell::RefCell;
use std::rc::Rc;

use mx_nic::dma::DmaMemory;
use mx_nic::intel::Mmio;
use mx_nic::{Platform, Registers};

use super::dma;

pub use card::Card;

/// Which card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Igb,
    Ixgbe,
}

/// A card that several hold: the driver its registers, the platform its time, the test all of it.
#[derive(Clone)]
pub struct Model(pub Rc<RefCell<Card>>);

impl Model {
    /// A card after power-on, with its link's partner there.
    pub fn new(kind: Kind) -> Self {
        let chip = match kind {
            Kind::Igb => &igb::CHIP,
            Kind::Ixgbe => &ixgbe::CHIP,
        };
        Self(Rc::new(RefCell::new(Card::new(chip))))
    }
}

/// Functions by themselves, so that what they cost is not counted as the driver's.
impl Mmio for Model {
    #[inline(never)]
    fn read(&self, register: u32) -> u32 {
        // A test that failed drops its driver: a card that is gone does not hide why.
        if std::thread::panicking() {
            return u32::MAX;
        }
        let mut card = self.0.borrow_mut();
        card.before_access();
        card.read(register)
    }

    #[inline(never)]
    fn write(&mut self, register: u32, value: u32) {
        if std::thread::panicking() {
            return;
        }
        let mut card = self.0.borrow_mut();
        card.before_access();
        card.write(register, value);
    }
}

impl Platform for Model {
    fn allocate(&self, pages: usize) -> Option<DmaMemory> {
        dma::allocate(pages)
    }

    fn registers(&self, _bus: u64, _bytes: usize) -> Option<Registers> {
        None
    }

    fn pause(&self, microseconds: u32) {
        self.0.borrow_mut().pass(microseconds);
    }
}
