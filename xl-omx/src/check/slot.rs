//! Where a card is on the PCI bus: the one spelling of the several that xl, the kernel and operators use.

use std::fmt;

/// A function of a device on a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    domain: u16,
    bus: u8,
    device: u8,
    function: u8,
}

impl Slot {
    /// `05:00.0`, `0000:05:00.0`, and what else xl lets follow or precede it.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix("bdf=").unwrap_or(text);
        let slot = text.split([',', '@']).next()?;
        let (place, function) = slot.trim().rsplit_once('.')?;
        let mut parts = place.rsplit(':');
        let device = hexadecimal(parts.next()?, 2)?;
        let bus = hexadecimal(parts.next()?, 2)?;
        let domain = parts.next().map_or(Some(0), |part| hexadecimal(part, 4))?;
        // pciback writes two digits.
        let function = hexadecimal(function, 2)?;
        let whole = parts.next().is_none() && device < 32 && function < 8;
        whole.then_some(Self {
            domain,
            bus: bus as u8,
            device: device as u8,
            function: function as u8,
        })
    }
}

fn hexadecimal(text: &str, digits: usize) -> Option<u16> {
    let fits = (1..=digits).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    fits.then(|| u16::from_str_radix(text, 16).ok()).flatten()
}

impl fmt::Display for Slot {
    /// As the kernel names devices.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (domain, bus, device, function) = (self.domain, self.bus, self.device, self.function);
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function:x}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_spellings_of_a_place_are_one() {
        for spelling in [
            "0000:05:1f.7",
            "05:1f.7",
            "5:1F.7",
            "0000:05:1f.07",
            "bdf=05:1f.7,permissive=1",
            "05:1f.7@06,msitranslate=0",
            " 05:1f.7 ",
        ] {
            let slot = Slot::parse(spelling).map(|slot| slot.to_string());
            assert_eq!(slot.as_deref(), Some("0000:05:1f.7"), "{spelling}");
        }
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for wrong in [
            "",
            "05:00",
            "05.0",
            "05:20.0",
            "05:00.8",
            "05:00.*",
            "05:00.",
            ":00.0",
            "100:00.0",
            "+5:00.0",
            "0:0:05:00.0",
            "10000:05:00.0",
            "name=x",
        ] {
            assert_eq!(Slot::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_place_that_reads_itself_or_none(text in any::<String>(), like in "[0-9a-f:.,@]{0,14}") {
            for text in [text, like] {
                if let Some(slot) = Slot::parse(&text) {
                    prop_assert_eq!(Slot::parse(&slot.to_string()), Some(slot));
                }
            }
        }
    }
}
