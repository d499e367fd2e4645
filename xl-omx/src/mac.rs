//! The Ethernet address of a device that gets none by its owner.

use mx_wire::MacAddress;

/// An address from Xen's range 00:16:3e, as libxl makes them; the lower three bytes are random.
pub fn generate(random: [u8; 3]) -> MacAddress {
    let [a, b, c] = random;
    MacAddress([0x00, 0x16, 0x3e, a & 0x7f, b, c])
}
