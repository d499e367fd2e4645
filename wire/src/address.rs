//! Ethernet addresses.

use core::fmt;
use core::str::FromStr;

/// A 48-bit Ethernet address, first octet first.
/// The default is all zeros: nobody's.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

    /// Whether it can be a single station's: neither a group's nor `00:00:00:00:00:00`.
    pub fn is_station(self) -> bool {
        !self.is_group() && self != Self::default()
    }

    /// Reads the address of a single station.
    pub fn of_station(text: &str) -> Result<Self, MacAddressError> {
        let address: Self = text.parse()?;
        if address.is_station() {
            Ok(address)
        } else {
            Err(MacAddressError::NotOfStation)
        }
    }
}

/// Why a text is not the address that it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MacAddressError {
    /// Not six numbers of one or two hexadecimal digits with colons between them.
    #[error(
        "an Ethernet address is written as six pairs of hexadecimal digits, like 00:16:3e:00:00:01"
    )]
    Form,
    /// The address of a group, or all zeros, where that of a single station is needed.
    #[error(
        "an address of a single station is needed: the first pair must be even, and not all may be zero"
    )]
    NotOfStation,
}

impl FromStr for MacAddress {
    type Err = MacAddressError;

    /// As ether_aton(3) does: a number may lack its leading zero.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut octets = [0; 6];
        let mut numbers = text.split(':');
        for octet in &mut octets {
            // Checked before: a number of Rust may have a sign.
            *octet = numbers
                .next()
                .filter(|number| number.len() <= 2 && number.bytes().all(|b| b.is_ascii_hexdigit()))
                .and_then(|number| u8::from_str_radix(number, 16).ok())
                .ok_or(MacAddressError::Form)?;
        }
        match numbers.next() {
            None => Ok(Self(octets)),
            Some(_) => Err(MacAddressError::Form),
        }
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

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;

    #[test]
    fn an_address_is_six_numbers_of_one_or_two_digits() {
        let address = Ok(MacAddress([2, 0, 0, 10, 11, 255]));
        assert_eq!("02:0:00:0a:0B:ff".parse(), address);
        for wrong in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:01:",
            "1:2:3:4:5:6:7",
            "002:00:00:00:00:01",
            "+2:00:00:00:00:01",
            "2::0:0:0:1",
            "1:2:3:4:5:g",
            " 02:00:00:00:00:01",
        ] {
            let parsed = wrong.parse::<MacAddress>();
            assert_eq!(parsed, Err(MacAddressError::Form), "{wrong}");
        }
    }

    #[test]
    fn a_station_has_no_group_address_and_not_zero() {
        assert!(MacAddress::of_station("00:16:3e:AA:bb:01").is_ok());
        for wrong in ["01:00:5e:00:00:01", "00:00:00:00:00:00"] {
            assert!(wrong.parse::<MacAddress>().is_ok());
            let parsed = MacAddress::of_station(wrong);
            assert_eq!(parsed, Err(MacAddressError::NotOfStation), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn an_address_survives_its_text_and_its_number(octets: [u8; 6]) {
            let address = MacAddress(octets);
            prop_assert_eq!(address.to_string().parse(), Ok(address));
            prop_assert_eq!(MacAddress::from_nic_id(address.nic_id()), address);
        }

        #[test]
        fn any_text_is_an_address_or_none(text in ".*") {
            let _ = MacAddress::of_station(&text);
        }
    }
}
