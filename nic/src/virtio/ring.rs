//! A split virtqueue (virtio 1.2 §2.7), the driver's side.
//!
//! Buffers are *slots*, and slot `n` always begins at descriptor `n * chain`. So there is no list of free descriptors,
//! and nothing that the card wrote is ever followed: what it says is compared with what the driver remembers.

use core::sync::atomic::{AtomicU16, Ordering, fence};

use super::transport::RingAddresses;
use crate::dma::{DmaMemory, PAGE_SIZE};
use crate::{Fault, Platform};

/// Most entries of a ring: each of its three parts then fits a page.
pub(super) const MAX_SIZE: u16 = 256;
/// Bytes of a descriptor.
pub(super) const DESCRIPTOR_SIZE: usize = 16;

/// Descriptor flag: the next one belongs to the same buffer.
pub(super) const NEXT: u16 = 1;
/// Descriptor flag: the card writes the memory.
pub(super) const DEVICE_WRITES: u16 = 2;
/// Descriptor flag: the memory is a table of descriptors.
pub(super) const INDIRECT: u16 = 4;

/// Flag of the available ring: the driver wants no interrupts.
const NO_INTERRUPT: u16 = 1;
/// Flag of the used ring: the card wants no notifications.
const NO_NOTIFY: u16 = 1;

/// Where the parts lie in the ring's memory.
const AVAILABLE: usize = PAGE_SIZE;
const USED: usize = 2 * PAGE_SIZE;
const PAGES: usize = 3;
/// Offsets in the available and the used ring: flags, index, entries (§2.7.6, §2.7.8).
const INDEX: usize = 2;
const ENTRIES: usize = 4;

/// A piece of memory as the card is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub(super) bus: u64,
    pub(super) len: u32,
    pub(super) flags: u16,
    pub(super) next: u16,
}

impl Descriptor {
    /// Its bytes, `struct virtq_desc` (§2.7.5).
    pub(super) fn bytes(&self) -> [u8; DESCRIPTOR_SIZE] {
        let mut bytes = [0; DESCRIPTOR_SIZE];
        bytes[..8].copy_from_slice(&self.bus.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.len.to_le_bytes());
        bytes[12..14].copy_from_slice(&self.flags.to_le_bytes());
        bytes[14..].copy_from_slice(&self.next.to_le_bytes());
        bytes
    }
}

/// A slot that the card gave back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Used {
    /// One that the card had.
    pub(super) slot: u16,
    /// Bytes that the card says it wrote: not checked here.
    pub(super) written: u32,
}

/// The driver's side of a ring. All indices run freely, modulo 2^16.
pub(super) struct SplitRing {
    memory: DmaMemory,
    /// Entries, a power of two, less one.
    mask: u16,
    /// Descriptors of a slot are two to this.
    chain_bits: u32,
    event_index: bool,
    /// The slots that the card has, each by its first descriptor, with the index at which it was given.
    in_flight: [Option<u16>; MAX_SIZE as usize],
    /// Entries written to the available ring, and those that the card may see.
    given: u16,
    published: u16,
    /// Entries taken from the used ring, and those known to be there.
    taken: u16,
    seen: u16,
}

impl SplitRing {
    /// A ring of `size` entries, a power of two up to [`MAX_SIZE`], with `chain` descriptors to a slot, a
    /// power of two as well, quiet at first; `None` without memory. (Division takes longer than all else in a ring.)
    pub(super) fn new(
        platform: &impl Platform,
        size: u16,
        chain: u16,
        event_index: bool,
    ) -> Option<Self> {
        let mut ring = Self {
            memory: platform.allocate(PAGES)?,
            mask: size - 1,
            chain_bits: chain.ilog2(),
            event_index,
            in_flight: [None; MAX_SIZE as usize],
            given: 0,
            published: 0,
            taken: 0,
            seen: 0,
        };
        ring.restart();
        Some(ring)
    }

    /// Begins anew, for a card that was reset and has no slot any more (§2.7.1, §3.1.1).
    pub(super) fn restart(&mut self) {
        (self.given, self.published, self.taken, self.seen) = (0, 0, 0, 0);
        self.in_flight = [None; MAX_SIZE as usize];
        for word in [AVAILABLE, AVAILABLE + INDEX, USED, USED + INDEX] {
            self.memory.word16(word).store(0, Ordering::Relaxed);
        }
        self.available_event().store(0, Ordering::Relaxed);
        self.disarm();
    }

    pub(super) fn addresses(&self) -> RingAddresses {
        RingAddresses {
            descriptors: self.memory.bus(0),
            available: self.memory.bus(AVAILABLE),
            used: self.memory.bus(USED),
        }
    }

    pub(super) const fn size(&self) -> u16 {
        self.mask + 1
    }

    /// Slots are numbered from 0 to this.
    pub(super) const fn slots(&self) -> u16 {
        self.size() >> self.chain_bits
    }

    /// Keeps the memory for ever: the card could not be stopped.
    pub(super) const fn leak(&mut self) {
        self.memory.leak();
    }

    /// The entry that an index means.
    fn place(&self, index: u16) -> usize {
        usize::from(index & self.mask)
    }

    /// The number of a slot's first descriptor.
    const fn first_descriptor(&self, slot: u16) -> u16 {
        slot << self.chain_bits
    }

    /// Writes descriptor `index` of a slot that the card does not have.
    pub(super) fn describe(&mut self, slot: u16, index: u16, bus: u64, len: u32, flags: u16) {
        let number = self.first_descriptor(slot) + index;
        let descriptor = Descriptor {
            bus,
            len,
            flags,
            next: number.wrapping_add(1),
        };
        self.memory
            .write(usize::from(number) * DESCRIPTOR_SIZE, &descriptor.bytes());
    }

    /// Puts a described slot into the available ring, to be seen after [`SplitRing::publish`].
    pub(super) fn give(&mut self, slot: u16) {
        let first = self.first_descriptor(slot);
        self.in_flight[usize::from(first)] = Some(self.given);
        let entry = AVAILABLE + ENTRIES + 2 * self.place(self.given);
        self.memory.word16(entry).store(first, Ordering::Relaxed);
        self.given = self.given.wrapping_add(1);
    }

    /// Shows the card all slots given since the last time. `None` if there were none, else whether the card wants to
    /// be notified.
    pub(super) fn publish(&mut self) -> Option<bool> {
        let (old, new) = (self.published, self.given);
        if old == new {
            return None;
        }
        self.memory
            .word16(AVAILABLE + INDEX)
            .store(new, Ordering::Release);
        self.published = new;
        // The card asks for notifications first and looks at the index then; so here it is the other way round.
        fence(Ordering::SeqCst);
        Some(if self.event_index {
            let event = self.available_event().load(Ordering::Relaxed);
            passes(event, old, new)
        } else {
            self.memory.word16(USED).load(Ordering::Relaxed) & NO_NOTIFY == 0
        })
    }

    /// Takes the next slot that the card gave back.
    pub(super) fn take(&mut self) -> Result<Option<Used>, Fault> {
        if self.seen == self.taken {
            self.look()?;
            if self.seen == self.taken {
                return Ok(None);
            }
        }
        let entry = USED + ENTRIES + 8 * self.place(self.taken);
        let id = self.memory.word32(entry).load(Ordering::Relaxed);
        let written = self.memory.word32(entry + 4).load(Ordering::Relaxed);
        let given = self.in_flight.get_mut(id as usize);
        given.and_then(Option::take).ok_or(Fault::Buffer { id })?;
        // Where it was found, it is below MAX_SIZE.
        let slot = id as u16 >> self.chain_bits;
        self.taken = self.taken.wrapping_add(1);
        Ok(Some(Used { slot, written }))
    }

    /// Looks how far the card is; it cannot be further than the driver has published.
    fn look(&mut self) -> Result<(), Fault> {
        let index = self.memory.word16(USED + INDEX).load(Ordering::Acquire);
        let claimed = index.wrapping_sub(self.taken);
        let given = self.published.wrapping_sub(self.taken);
        if claimed > given {
            return Err(Fault::Index { claimed, given });
        }
        self.seen = index;
        Ok(())
    }

    /// Takes the slot that was given first from a card that was reset, whatever the rings say.
    pub(super) fn reclaim(&mut self) -> Option<u16> {
        let given = (0..).zip(&self.in_flight);
        let given = given.filter_map(|(first, given)| Some((first, (*given)?)));
        let (first, _) = given.max_by_key(|(_, at)| self.given.wrapping_sub(*at))?;
        self.in_flight[usize::from(first)] = None;
        Some(first >> self.chain_bits)
    }

    /// How many slots the card has given back so far, while it has others that it was shown.
    pub(super) fn unfinished(&self) -> Option<u16> {
        let index = self.memory.word16(USED + INDEX).load(Ordering::Relaxed);
        (index != self.published).then_some(index)
    }

    /// Asks for an interrupt at the next slot that comes back, then looks; whether one is back already.
    pub(super) fn arm(&self) -> bool {
        if self.event_index {
            self.used_event().store(self.taken, Ordering::Relaxed);
        } else {
            self.memory.word16(AVAILABLE).store(0, Ordering::Relaxed);
        }
        // The card moves its index first and looks at the request then; so here it is the other way round.
        fence(Ordering::SeqCst);
        self.memory.word16(USED + INDEX).load(Ordering::Relaxed) != self.taken
    }

    /// Asks for no interrupts.
    pub(super) fn disarm(&self) {
        if self.event_index {
            // The index just passed is the one that comes last: one needless interrupt in 65536 slots.
            self.used_event()
                .store(self.taken.wrapping_sub(1), Ordering::Relaxed);
        } else {
            self.memory
                .word16(AVAILABLE)
                .store(NO_INTERRUPT, Ordering::Relaxed);
        }
    }

    /// Where the driver says at which used index it wants an interrupt: behind the available ring.
    fn used_event(&self) -> &AtomicU16 {
        self.memory
            .word16(AVAILABLE + ENTRIES + 2 * usize::from(self.size()))
    }

    /// Where the card says at which available index it wants a notification: behind the used ring.
    fn available_event(&self) -> &AtomicU16 {
        self.memory
            .word16(USED + ENTRIES + 8 * usize::from(self.size()))
    }
}

/// Whether an index passes `event` on its way from `old` to `new` (§2.7.10).
pub(super) const fn passes(event: u16, old: u16, new: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}

#[cfg(test)]
mod tests {
    use super::passes;

    #[test]
    fn an_event_is_passed_if_it_is_one_of_the_indices_left_behind_also_across_the_wrap() {
        for old in (0..4u16).chain(0x7ffe..0x8002).chain(0xfffc..=0xffff) {
            for steps in 1..300u16 {
                let new = old.wrapping_add(steps);
                for away in (0..302).chain(0x7ff0..0x8010).chain(0xff00..=0xffff) {
                    let event = old.wrapping_add(away);
                    assert_eq!(
                        passes(event, old, new),
                        away < steps,
                        "{old} to {new}, {event}"
                    );
                }
            }
        }
    }
}
