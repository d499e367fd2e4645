//! The addresses whose frames come in (82576 §7.1.1.1, 82599 §7.1.1.1): a table of unicast addresses, and a hash table of
//! multicast ones. Broadcasts always come in.

use super::address::words;
use super::chip::Chip;
use super::mmio::Mmio;
use crate::{MacAddress, Reception};

/// Addresses in the larger table of the two chips.
const MOST: usize = 128;
/// Words of the hash table, MTA.
pub(super) const HASH_WORDS: usize = 128;

/// What a card takes. Kept so that a card that was reset gets it again.
pub struct Filter {
    /// The card's own address comes first.
    unicast: [MacAddress; MOST],
    count: usize,
    /// Frames to all addresses.
    all: bool,
    multicast: [u32; HASH_WORDS],
}

impl Filter {
    /// Takes everything.
    pub(super) const fn all(own: MacAddress) -> Self {
        let mut unicast = [[0; 6]; MOST];
        unicast[0] = own;
        Self {
            unicast,
            count: 1,
            all: true,
            multicast: [0; HASH_WORDS],
        }
    }

    /// Takes frames to these addresses and the own one, or everything when they do not fit a table of `places`.
    pub(super) fn set(
        &mut self,
        places: usize,
        unicast: &[MacAddress],
        multicast: &[MacAddress],
    ) -> Reception {
        self.count = 1;
        self.all = unicast.len() + 1 > places.min(MOST);
        if !self.all {
            for (place, address) in self.unicast[1..].iter_mut().zip(unicast) {
                *place = *address;
                self.count += 1;
            }
        }
        self.multicast = [0; HASH_WORDS];
        for address in multicast {
            let hash = hash(address);
            self.multicast[hash / 32] |= 1 << (hash % 32);
        }
        if self.all {
            Reception::All
        } else {
            Reception::Named
        }
    }

    /// Writes the tables (82576 §4.5.9, 82599 §4.6.7). Everything comes in while they change, so that no frame is lost; a
    /// place is invalid before its address changes.
    pub(super) fn write<C: Chip>(&self, registers: &mut impl Mmio) {
        C::take_all(registers, true);
        for index in 0..C::ADDRESSES {
            let low = C::receive_address(index);
            registers.write(low + 4, 0);
            if let Some(address) = self.unicast[..self.count].get(index) {
                let (first, second) = words(address);
                registers.write(low, first);
                registers.write(low + 4, second);
            }
        }
        for (word, bits) in (0..).zip(self.multicast) {
            registers.write(C::MULTICAST_TABLE + 4 * word, bits);
        }
        if !self.all {
            C::take_all(registers, false);
        }
    }
}

/// The bit of an address in the hash table: its bits 47 to 36, the last byte being the highest (RCTL.MO and
/// MCSTCTRL.MO of 0).
fn hash(address: &MacAddress) -> usize {
    usize::from(address[5]) << 4 | usize::from(address[4]) >> 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_beyond_the_table_make_the_card_take_all() {
        let mut filter = Filter::all([2, 0, 0, 0, 0, 1]);
        let many: Vec<MacAddress> = (0..200).map(|number| [2, 0, 0, 0, 1, number]).collect();
        assert_eq!(filter.set(24, &many[..23], &[]), Reception::Named);
        assert_eq!(filter.count, 24);
        assert_eq!(filter.set(24, &many[..24], &[]), Reception::All);
        assert_eq!(filter.set(128, &many[..127], &[]), Reception::Named);
        assert_eq!(filter.set(1000, &many, &[]), Reception::All);
        assert_eq!(filter.unicast[..filter.count], [[2, 0, 0, 0, 0, 1]]);
    }

    extern crate std;
    use std::vec::Vec;
}
