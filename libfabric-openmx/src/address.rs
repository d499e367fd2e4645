//! Addresses of endpoints, as applications pass them to each other: 16 bytes.

use core::fmt;

/// The address format: the provider's own.
pub const FORMAT: u32 = crate::abi::flags::PROVIDER_SPECIFIC | 0x6d78;

/// Bytes of an address.
pub const LENGTH: usize = 16;

/// An endpoint of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// Address of its board: 48 bits.
    pub nic_id: u64,
    /// Its index there.
    pub endpoint: u32,
}

impl Name {
    /// Its bytes: board, endpoint, 4 of zero, each in little-endian order.
    pub fn to_bytes(self) -> [u8; LENGTH] {
        let both = u128::from(self.nic_id) | u128::from(self.endpoint) << 64;
        both.to_le_bytes()
    }

    /// From its bytes. What is no address is found out when it is used.
    pub fn from_bytes(bytes: [u8; LENGTH]) -> Self {
        let both = u128::from_le_bytes(bytes);
        Self {
            nic_id: both as u64,
            endpoint: (both >> 64) as u32,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fi_openmx://{:012x}:{}", self.nic_id, self.endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_the_way_through_its_bytes() {
        let name = Name {
            nic_id: 0x1234_5678_9abc,
            endpoint: 255,
        };
        assert_eq!(Name::from_bytes(name.to_bytes()), name);
        assert_eq!(name.to_string(), "fi_openmx://123456789abc:255");
    }
}
