//! The registered memory of an endpoint.

use mx_ring::RegionKey;
use mx_ring::mapping::Mapping;
use mx_ring::registration::{RESERVE_MAX, RESERVES};

/// Regions that an endpoint may have besides its buffers of last resort.
pub const REGIONS_MAX: usize = 256;
/// Bytes that an endpoint may register, all regions together: two messages of the greatest length. It costs this process
/// addresses; the memory is the client's.
pub const BYTES_MAX: u64 = 1 << 33;

/// Region table. A slot is free again when the backend has let go of the region.
#[derive(Default)]
pub struct Regions {
    slots: Vec<Slot>,
    bytes: u64,
}

/// Registered that was registered.
pub struct Registered {
    /// The memory, as this process sees it.
    pub mapping: Mapping,
    /// Bytes that are freed when it is dropped, at most: its file may have more than are registered.
    pub freed_at_last: u64,
}

#[derive(Default)]
struct Slot {
    generation: u16,
    memory: Option<Registered>,
    /// A buffer of last resort, which does not count.
    reserve: bool,
}

impl Regions {
    /// Bytes that are registered, buffers of last resort left out.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes that are freed when all is dropped, at most.
    pub fn freed_at_last(&self) -> u64 {
        let kept = self.slots.iter().filter_map(|slot| slot.memory.as_ref());
        kept.fold(0, |sum, memory| sum.saturating_add(memory.freed_at_last))
    }

    /// The key that the next region would have, if the quota allows one of `length` bytes, or there may be another buffer
    /// of last resort.
    pub fn next_key(&self, length: u32, reserve: bool) -> Option<RegionKey> {
        let used = self.slots.iter().filter(|slot| slot.memory.is_some());
        let alike = used.filter(|slot| slot.reserve == reserve).count();
        let allowed = match reserve {
            true => alike < RESERVES && length <= RESERVE_MAX,
            false => alike < REGIONS_MAX && self.bytes + u64::from(length) <= BYTES_MAX,
        };
        if !allowed {
            return None;
        }
        let free = self.slots.iter().position(|slot| slot.memory.is_none());
        let slot = free.unwrap_or(self.slots.len());
        Some(RegionKey {
            slot: slot as u16,
            generation: self.slots.get(slot).map_or(0, |slot| slot.generation),
        })
    }

    /// Keeps the memory of a region whose key came from [`Self::next_key`].
    pub fn keep(&mut self, key: RegionKey, memory: Registered, reserve: bool) {
        let index = usize::from(key.slot);
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, Slot::default);
        }
        let slot = &mut self.slots[index];
        if !reserve {
            self.bytes += memory.mapping.slice().len() as u64;
        }
        slot.memory = Some(memory);
        slot.reserve = reserve;
    }

    /// The memory of a region that the backend no longer uses, which is none any more.
    pub fn take(&mut self, key: RegionKey) -> Option<Registered> {
        let slot = self.slots.get_mut(usize::from(key.slot))?;
        if slot.generation != key.generation {
            return None;
        }
        let memory = slot.memory.take()?;
        if !slot.reserve {
            self.bytes -= memory.mapping.slice().len() as u64;
        }
        slot.generation = slot.generation.wrapping_add(1);
        Some(memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mx_ring::mapping::{Access, Memfd};

    fn memory(length: usize) -> Registered {
        let memfd = Memfd::create("test", length).unwrap();
        Registered {
            mapping: Mapping::of(memfd.descriptor(), 0, length, Access::ReadWrite).unwrap(),
            freed_at_last: length as u64,
        }
    }

    #[test]
    fn a_slot_has_another_generation_each_time_it_is_used() {
        let mut regions = Regions::default();
        let first = regions.next_key(4096, false).unwrap();
        regions.keep(first, memory(4096), false);
        assert_ne!(regions.next_key(4096, false).unwrap().slot, first.slot);
        regions.take(first);
        let again = regions.next_key(4096, false).unwrap();
        assert_eq!(again.slot, first.slot);
        assert_ne!(again.generation, first.generation);
    }

    #[test]
    fn the_quota_counts_slots_and_bytes_and_gets_back_what_was_given_back() {
        let mut regions = Regions::default();
        for _ in 0..REGIONS_MAX {
            let key = regions.next_key(1, false).unwrap();
            regions.keep(key, memory(1), false);
        }
        assert_eq!(regions.next_key(1, false), None);
        let key = RegionKey {
            slot: 7,
            generation: 0,
        };
        regions.take(RegionKey {
            generation: 1,
            ..key
        });
        assert_eq!(regions.next_key(1, false), None);
        regions.take(key);
        assert_eq!(regions.next_key(1, false).unwrap().slot, 7);
        regions.keep(key, memory(5 << 30), false);
        let key = RegionKey {
            slot: 8,
            generation: 0,
        };
        regions.take(key);
        assert_eq!(regions.next_key(u32::MAX, false), None);
        assert!(regions.next_key(1 << 30, false).is_some());
    }

    #[test]
    fn two_buffers_of_last_resort_are_allowed_whatever_the_quota() {
        let mut regions = Regions::default();
        let huge = regions.next_key(u32::MAX, false).unwrap();
        regions.keep(huge, memory(1 << 33), false);
        assert_eq!(regions.next_key(1, false), None);
        assert_eq!(regions.next_key(RESERVE_MAX + 1, true), None);
        let first = regions.next_key(RESERVE_MAX, true).unwrap();
        regions.keep(first, memory(RESERVE_MAX as usize), true);
        let second = regions.next_key(1, true).unwrap();
        regions.keep(second, memory(1), true);
        assert_eq!(regions.next_key(1, true), None);
        regions.take(first);
        assert_eq!(regions.next_key(1, true).unwrap().slot, first.slot);
        assert_eq!(regions.next_key(1, false), None);
    }
}
