//! A split virtqueue (virtio 1.2 §2.7), the driver's side.
//!
//! Every buffer is a *slot*, and slot `n` always starts at descriptor `n * chain`: so nothing that the device wrote is
//! ever followed, and a descriptor needs no list of free ones.

use core::sync::atomic::{Ordering, fence};

use crate::DeviceError;
use crate::dma::{Dma, DmaMemory, PAGE_SIZE};

/// Bytes of a descriptor.
pub(super) const DESCRIPTOR_SIZE: usize = 16;
/// Descriptor flag: another one follows.
pub(super) const NEXT: u16 = 1;
/// Descriptor flag: the device writes the buffer.
pub(super) const DEVICE_WRITES: u16 = 2;
/// Descriptor flag: the buffer is a table of descriptors.
pub(super) const INDIRECT: u16 = 4;

/// Available ring: the driver wants no interrupts.
const NO_INTERRUPT: u16 = 1;
/// Used ring: the device wants no notifications.
const NO_NOTIFY: u16 = 1;

/// Largest queue that this driver uses: its three parts take a page each.
pub(super) const SIZE_MAX: u16 = 256;

/// Where the three parts lie, in bytes.
const AVAILABLE: usize = PAGE_SIZE;
const USED: usize = 2 * PAGE_SIZE;
const PAGES: usize = 3;

/// A buffer that the device has given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Used {
    pub slot: u16,
    pub length: u32,
}

pub(super) struct SplitRing {
    memory: DmaMemory,
    size: u16,
    /// Descriptors of a slot.
    chain: u16,
    event_index: bool,
    /// Slots that the device has, one bit of truth each.
    in_flight: [bool; SIZE_MAX as usize],
    in_flight_count: u16,
    /// Free-running: entries put into the available ring, and those shown to the device.
    available: u16,
    published: u16,
    /// Free-running: entries taken from the used ring.
    used: u16,
}

impl SplitRing {
    /// A ring of `size` descriptors (a power of two up to [`SIZE_MAX`]), `chain` for each slot.
    pub(super) fn new(dma: &impl Dma, size: u16, chain: u16, event_index: bool) -> Option<Self> {
        let ring = Self {
            memory: dma.allocate(PAGES)?,
            size,
            chain,
            event_index,
            in_flight: [false; SIZE_MAX as usize],
            in_flight_count: 0,
            available: 0,
            published: 0,
            used: 0,
        };
        ring.quiet();
        Some(ring)
    }

    /// Bus addresses of descriptors, available ring and used ring.
    pub(super) fn addresses(&self) -> [u64; 3] {
        [0, AVAILABLE, USED].map(|offset| self.memory.bus(offset))
    }

    /// Descriptors of the ring.
    pub(super) fn size(&self) -> u16 {
        self.size
    }

    /// Slots of the ring.
    pub(super) fn slots(&self) -> u16 {
        self.size / self.chain
    }

    /// Slots that the device has.
    pub(super) fn in_flight(&self) -> u16 {
        self.in_flight_count
    }

    /// Writes descriptor `index` of a slot; `more` says that the next one of the slot follows.
    pub(super) fn describe(
        &mut self,
        slot: u16,
        index: u16,
        bus: u64,
        length: u32,
        flags: u16,
        more: bool,
    ) {
        let number = slot * self.chain + index;
        let flags = flags | if more { NEXT } else { 0 };
        self.memory.write(
            usize::from(number) * DESCRIPTOR_SIZE,
            &descriptor(bus, length, flags, number.wrapping_add(1)),
        );
    }

    /// Hands a described slot to the device, once it is published.
    pub(super) fn give(&mut self, slot: u16) {
        debug_assert!(!self.in_flight[usize::from(slot)], "a slot is given once");
        self.in_flight[usize::from(slot)] = true;
        self.in_flight_count += 1;
        let entry = usize::from(self.available % self.size);
        self.memory
            .word16(AVAILABLE + 4 + 2 * entry)
            .store(slot * self.chain, Ordering::Relaxed);
        self.available = self.available.wrapping_add(1);
    }

    /// Shows the device what was given since; whether it wants to be notified.
    pub(super) fn publish(&mut self) -> bool {
        let (old, new) = (self.published, self.available);
        if old == new {
            return false;
        }
        self.memory
            .word16(AVAILABLE + 2)
            .store(new, Ordering::Release);
        self.published = new;
        // The device may just have asked to be notified: look at that only when it can see the entries.
        fence(Ordering::SeqCst);
        if self.event_index {
            let event = self
                .memory
                .word16(USED + 4 + 8 * usize::from(self.size))
                .load(Ordering::Relaxed);
            passes(event, old, new)
        } else {
            self.memory.word16(USED).load(Ordering::Relaxed) & NO_NOTIFY == 0
        }
    }

    /// The next slot that the device gave back. What it wrote is checked here and nowhere else.
    pub(super) fn take(&mut self) -> Result<Option<Used>, DeviceError> {
        let index = self.memory.word16(USED + 2).load(Ordering::Acquire);
        match index.wrapping_sub(self.used) {
            0 => return Ok(None),
            waiting if waiting > self.in_flight_count => return Err(DeviceError::Index(index)),
            _ => {}
        }
        let at = USED + 4 + 8 * usize::from(self.used % self.size);
        let id = self.memory.word32(at).load(Ordering::Relaxed);
        let length = self.memory.word32(at + 4).load(Ordering::Relaxed);
        let slot = u16::try_from(id)
            .ok()
            .filter(|id| id.is_multiple_of(self.chain))
            .map(|id| id / self.chain)
            .filter(|&slot| slot < self.slots() && self.in_flight[usize::from(slot)])
            .ok_or(DeviceError::Buffer(id))?;
        self.in_flight[usize::from(slot)] = false;
        self.in_flight_count -= 1;
        self.used = self.used.wrapping_add(1);
        Ok(Some(Used { slot, length }))
    }

    /// Asks for an interrupt at the next slot that the device gives back; whether one waits already.
    pub(super) fn arm(&self) -> bool {
        if self.event_index {
            self.used_event().store(self.used, Ordering::Relaxed);
        } else {
            self.memory.word16(AVAILABLE).store(0, Ordering::Relaxed);
        }
        fence(Ordering::SeqCst);
        self.memory.word16(USED + 2).load(Ordering::Relaxed) != self.used
    }

    /// Asks for no interrupts.
    pub(super) fn quiet(&self) {
        if self.event_index {
            // As far away as the 16 bits allow: one needless interrupt in 65536 buffers.
            self.used_event()
                .store(self.used.wrapping_sub(1), Ordering::Relaxed);
        } else {
            self.memory
                .word16(AVAILABLE)
                .store(NO_INTERRUPT, Ordering::Relaxed);
        }
    }

    fn used_event(&self) -> &core::sync::atomic::AtomicU16 {
        self.memory
            .word16(AVAILABLE + 4 + 2 * usize::from(self.size))
    }
}

/// A descriptor's 16 bytes.
pub(super) fn descriptor(bus: u64, length: u32, flags: u16, next: u16) -> [u8; DESCRIPTOR_SIZE] {
    let mut bytes = [0; DESCRIPTOR_SIZE];
    bytes[0..8].copy_from_slice(&bus.to_le_bytes());
    bytes[8..12].copy_from_slice(&length.to_le_bytes());
    bytes[12..14].copy_from_slice(&flags.to_le_bytes());
    bytes[14..16].copy_from_slice(&next.to_le_bytes());
    bytes
}

/// Whether the index passes `event` on its way from `old` to `new` (virtio 1.2 §2.7.10, `vring_need_event`).
fn passes(event: u16, old: u16, new: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_index_is_compared_across_the_wrap() {
        assert!(passes(5, 5, 6));
        assert!(!passes(6, 5, 6));
        assert!(passes(u16::MAX, u16::MAX, 0));
        assert!(passes(0, u16::MAX, 1));
        assert!(!passes(10, 2, 4));
    }
}
