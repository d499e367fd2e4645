//! The Ethernet address of a device.

use std::fmt;
use std::str::FromStr;

/// A unicast Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac([u8; 6]);

/// Why a text is not a usable address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMac {
    /// Not six pairs of hexadecimal digits.
    #[error("an address is written as six pairs of hexadecimal digits, like 00:16:3e:00:00:01")]
    Form,
    /// A group address, or all zeros.
    #[error(
        "a device needs a unicast address: the first pair must be even, and not all may be zero"
    )]
    NotUnicast,
}

impl Mac {
    /// An address from Xen's range 00:16:3e, as libxl makes them; the lower three bytes are random.
    pub fn generate(random: [u8; 3]) -> Self {
        let [a, b, c] = random;
        Self([0x00, 0x16, 0x3e, a & 0x7f, b, c])
    }
}

impl FromStr for Mac {
    type Err = BadMac;

    fn from_str(text: &str) -> Result<Self, BadMac> {
        let mut octets = [0; 6];
        let mut pairs = text.split(':');
        for octet in &mut octets {
            let pair = pairs.next().ok_or(BadMac::Form)?;
            if pair.len() != 2 || !pair.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(BadMac::Form);
            }
            *octet = u8::from_str_radix(pair, 16).map_err(|_| BadMac::Form)?;
        }
        if pairs.next().is_some() {
            return Err(BadMac::Form);
        }
        if octets[0] & 1 != 0 || octets == [0; 6] {
            return Err(BadMac::NotUnicast);
        }
        Ok(Self(octets))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn group_and_zero_addresses_are_refused() {
        assert_eq!("01:00:5e:00:00:01".parse::<Mac>(), Err(BadMac::NotUnicast));
        assert_eq!("00:00:00:00:00:00".parse::<Mac>(), Err(BadMac::NotUnicast));
    }

    proptest! {
        #[test]
        fn an_address_survives_its_text(random: [u8; 3]) {
            let mac = Mac::generate(random);
            prop_assert_eq!(mac.to_string().parse::<Mac>(), Ok(mac));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = text.parse::<Mac>();
        }
    }
}
