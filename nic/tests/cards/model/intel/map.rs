//! Tables of registers.

use crate::model::refuse;

/// What reading and writing do beside what the chip makes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads as written.
    Kept,
    /// Writing is refused.
    ReadOnly,
    /// Begins anew when it is read.
    Counter,
    /// Ones clear, or mask, or set; nothing is kept, and reserved bits may be ones.
    Bits,
}

/// Registers of one name.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub name: &'static str,
    pub first: u32,
    pub count: u32,
    pub stride: u32,
    /// Bits that may be changed.
    pub bits: u32,
    pub access: Access,
    pub initial: u32,
}

/// One register.
pub const fn one(name: &'static str, at: u32, access: Access, bits: u32, initial: u32) -> Entry {
    Entry {
        name,
        first: at,
        count: 1,
        stride: 4,
        bits,
        access,
        initial,
    }
}

/// Several registers with nothing in them at first.
pub const fn many(name: &'static str, at: u32, count: u32, stride: u32, bits: u32) -> Entry {
    Entry {
        name,
        first: at,
        count,
        stride,
        bits,
        access: Access::Kept,
        initial: 0,
    }
}

/// The entry of a register.
pub fn find(table: &'static [Entry], register: u32) -> &'static Entry {
    let found = table.iter().find(|entry| {
        register >= entry.first
            && (register - entry.first).is_multiple_of(entry.stride)
            && (register - entry.first) / entry.stride < entry.count
    });
    found.unwrap_or_else(|| refuse!("register {register:#x} is not one of the model's"))
}

/// Refuses a change of reserved bits.
pub fn check(entry: &Entry, old: u32, new: u32) {
    match entry.access {
        Access::ReadOnly | Access::Counter => refuse!("{} cannot be written", entry.name),
        Access::Bits => {}
        Access::Kept => {
            let changed = (old ^ new) & !entry.bits;
            if changed != 0 {
                refuse!(
                    "reserved bits {changed:#x} of {} change (all reserved bits keep what they read as)",
                    entry.name
                );
            }
        }
    }
}
