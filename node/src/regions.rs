//! The registered memory of an endpoint.

use mx_ring::RegionKey;
use mx_ring::mapping::Mapping;

/// Regions that an endpoint may have.
pub const REGIONS_MAX: usize = 256;
/// Bytes that an endpoint may register, all regions together: two messages of the greatest length. It costs this process
/// addresses; the memory is the client's.
pub const BYTES_MAX: u64 = 1 << 33;

/// Region table. A slot is free again when the home has let go of the region.
#[derive(Default)]
pub struct Regions {
    slots: Vec<Slot>,
    bytes: u64,
}

#[derive(Default)]
struct Slot {
    generation: u16,
    mapping: Option<Mapping>,
}

impl Regions {
    /// The key that the next region would have, if the quota allows one of `length` bytes.
    pub fn next_key(&self, length: u32) -> Option<RegionKey> {
        if self.bytes + u64::from(length) > BYTES_MAX {
            return None;
        }
        let free = self.slots.iter().position(|slot| slot.mapping.is_none());
        let slot = free.unwrap_or(self.slots.len());
        if slot >= REGIONS_MAX {
            return None;
        }
        Some(RegionKey {
            slot: slot as u16,
            generation: self.slots.get(slot).map_or(0, |slot| slot.generation),
        })
    }

    /// Keeps the memory of a region whose key came from [`Self::next_key`].
    pub fn keep(&mut self, key: RegionKey, mapping: Mapping) {
        let index = usize::from(key.slot);
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, Slot::default);
        }
        self.bytes += mapping.area().len() as u64;
        self.slots[index].mapping = Some(mapping);
    }

    /// Unmaps a region that the home no longer uses.
    pub fn drop(&mut self, key: RegionKey) {
        if let Some(slot) = self.slots.get_mut(usize::from(key.slot))
            && slot.generation == key.generation
            && let Some(mapping) = slot.mapping.take()
        {
            self.bytes -= mapping.area().len() as u64;
            slot.generation = slot.generation.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mx_ring::mapping::{Access, Memfd};

    fn mapping(length: usize) -> Mapping {
        let memfd = Memfd::create("test", length).unwrap();
        Mapping::of(memfd.descriptor(), 0, length, Access::ReadWrite).unwrap()
    }

    #[test]
    fn a_slot_has_another_generation_each_time_it_is_used() {
        let mut regions = Regions::default();
        let first = regions.next_key(4096).unwrap();
        regions.keep(first, mapping(4096));
        assert_ne!(regions.next_key(4096).unwrap().slot, first.slot);
        regions.drop(first);
        let again = regions.next_key(4096).unwrap();
        assert_eq!(again.slot, first.slot);
        assert_ne!(again.generation, first.generation);
    }

    #[test]
    fn the_quota_counts_slots_and_bytes_and_gets_back_what_was_given_back() {
        let mut regions = Regions::default();
        for _ in 0..REGIONS_MAX {
            let key = regions.next_key(1).unwrap();
            regions.keep(key, mapping(1));
        }
        assert_eq!(regions.next_key(1), None);
        let key = RegionKey {
            slot: 7,
            generation: 0,
        };
        regions.drop(RegionKey {
            generation: 1,
            ..key
        });
        assert_eq!(regions.next_key(1), None);
        regions.drop(key);
        assert_eq!(regions.next_key(1).unwrap().slot, 7);
        regions.keep(key, mapping(5 << 30));
        let key = RegionKey {
            slot: 8,
            generation: 0,
        };
        regions.drop(key);
        assert_eq!(regions.next_key(u32::MAX), None);
        assert!(regions.next_key(1 << 30).is_some());
    }
}
