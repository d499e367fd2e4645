//! Ethernet addresses.

use core::fmt;

/// A 48-bit Ethernet address, first octet first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// `ff:ff:ff:ff:ff:ff`: where discovery beacons go.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// The address as Open-MX calls it, a "NIC id": first octet most significant, upper 16 bits zero (wire.md §2).
    pub const fn nic_id(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }

    /// The inverse of [`Self::nic_id`]; bits above the 48th are dropped.
    pub const fn from_nic_id(id: u64) -> Self {
        let [_, _, a, b, c, d, e, f] = id.to_be_bytes();
        Self([a, b, c, d, e, f])
    }

    /// Whether the group bit is set (multicast and broadcast).
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
