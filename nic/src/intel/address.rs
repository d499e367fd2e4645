//! An address in the registers of a card.

use crate::MacAddress;

/// The two words of an address in the table, RAL and RAH, the second with its "address valid".
pub(super) const fn words(address: &MacAddress) -> (u32, u32) {
    let [a, b, c, d, e, f] = *address;
    const VALID: u32 = 1 << 31;
    (
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, 0, 0]) | VALID,
    )
}

/// The address in two words of the table, if it is one that a card can have.
pub(super) fn own_address(low: u32, high: u32) -> Option<MacAddress> {
    let [a, b, c, d] = low.to_le_bytes();
    let [e, f, _, _] = high.to_le_bytes();
    let address = [a, b, c, d, e, f];
    let is_group = a & 1 != 0;
    (address != [0; 6] && !is_group).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_its_words() {
        let address = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
        let (low, high) = words(&address);
        assert_eq!((low, high), (0x1200_5452, 0x8000_5634));
        assert_eq!(own_address(low, high), Some(address));
        assert_eq!(own_address(0, 1 << 31), None);
        assert_eq!(own_address(0x5e_0001, 0), None);
    }
}
