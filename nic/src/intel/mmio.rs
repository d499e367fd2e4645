//! The registers of a card, wherever they lie.

use crate::Registers;

/// 32-bit registers. Both chips have no others (§8.1 of both datasheets).
pub trait Mmio {
    /// Reads the register at a byte offset. A card that is gone reads as all ones.
    fn read(&self, register: u32) -> u32;

    /// Writes it. What was written to memory before is seen by the card first.
    fn write(&mut self, register: u32, value: u32);
}

impl Mmio for Registers {
    fn read(&self, register: u32) -> u32 {
        self.read32(register as usize)
    }

    fn write(&mut self, register: u32, value: u32) {
        self.write32(register as usize, value);
    }
}

/// What a register of a card that is gone reads as.
pub(super) const GONE: u32 = u32::MAX;

/// Sets bits of a register.
pub(super) fn set(registers: &mut impl Mmio, register: u32, bits: u32) {
    let value = registers.read(register);
    registers.write(register, value | bits);
}

/// Clears bits of a register.
pub(super) fn clear(registers: &mut impl Mmio, register: u32, bits: u32) {
    let value = registers.read(register);
    registers.write(register, value & !bits);
}

/// How often, and for how long, something is waited for: a tenth of a second in all.
const TRIES: u32 = 1000;
const PAUSE_MICROSECONDS: u32 = 100;

/// Waits until the bits of a register are as wanted; whether they came to be.
pub(super) fn wait(
    registers: &impl Mmio,
    pause: &dyn Fn(u32),
    register: u32,
    bits: u32,
    wanted: u32,
) -> bool {
    for _ in 0..TRIES {
        let value = registers.read(register);
        if value == GONE {
            return false;
        }
        if value & bits == wanted {
            return true;
        }
        pause(PAUSE_MICROSECONDS);
    }
    false
}
