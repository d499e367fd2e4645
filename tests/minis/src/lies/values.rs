//! Values that are likely to be believed too much.

use fastrand::Rng;

/// A value of 64 bits, of which a field takes what it holds.
pub(super) fn value(rng: &mut Rng, before: u64) -> u64 {
    match rng.u8(..12) {
        0 => 0,
        1 => 1,
        2 => u64::MAX,
        3 => 1 << rng.u32(..64),
        4 => (1 << rng.u32(..64)) - 1,
        5 => before.wrapping_add(1),
        6 => before.wrapping_sub(1),
        7 => before ^ 1 << rng.u32(..64),
        8 => before.swap_bytes(),
        9 => rng.u64(..256),
        10 => u64::from(rng.u32(..)),
        _ => rng.u64(..),
    }
}

/// Changes one field of some bytes: of one, two, four or eight bytes, where such a field can lie.
pub(super) fn change(rng: &mut Rng, bytes: &mut [u8]) {
    let width = 1 << rng.usize(..4);
    if bytes.len() < width {
        return;
    }
    let at = rng.usize(..bytes.len() / width) * width;
    let mut field = [0; 8];
    field[..width].copy_from_slice(&bytes[at..at + width]);
    let changed = value(rng, u64::from_le_bytes(field)).to_le_bytes();
    bytes[at..at + width].copy_from_slice(&changed[..width]);
}
