//! Advanced descriptors: 16 bytes, as two words of 64 bits (82576 §7.1.5 and §7.2.2.3, 82599 §7.1.6 and §7.2.3.2.4).

use core::sync::atomic::Ordering;

use crate::dma::DmaMemory;

/// Bytes of a descriptor.
pub(super) const DESCRIPTOR_SIZE: usize = 16;

/// DTYP of a data descriptor, in its place.
const DATA: u64 = 0b0011 << 20;
/// EOP: the last descriptor of a frame.
const END_OF_PACKET: u64 = 1 << 24;
/// IFCS: the card appends the frame check. Wanted in the first descriptor, harmless in the others.
const INSERT_CHECK: u64 = 1 << 25;
/// RS: the card reports when the descriptor, and so all before it, is done.
const REPORT: u64 = 1 << 27;
/// DEXT: the descriptor is an advanced one.
const ADVANCED: u64 = 1 << 29;
/// Place of PAYLEN: bytes of the whole frame, without the check.
const PAYLOAD_SHIFT: u32 = 46;
/// DD of a transmit descriptor that was written back.
const SENT: u64 = 1 << 32;

/// DD of a receive descriptor that was written back.
const RECEIVED: u64 = 1;
/// EOP: the frame ends here.
const LAST: u64 = 1 << 1;

/// A ring of descriptors in memory that the card reads and writes.
pub(super) struct Ring {
    memory: DmaMemory,
    size: u16,
}

/// A receive descriptor that the card has written back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Received {
    /// Bytes in the buffer.
    pub(super) len: u16,
    /// Whether the frame ends in it.
    pub(super) last: bool,
    /// Extended errors, 12 bits.
    pub(super) errors: u32,
}

impl Ring {
    /// Takes memory of at least `size` descriptors.
    pub(super) fn new(memory: DmaMemory, size: u16) -> Self {
        assert!(
            usize::from(size) * DESCRIPTOR_SIZE <= memory.len(),
            "the ring fits its memory"
        );
        Self { memory, size }
    }

    /// Descriptors.
    pub(super) const fn size(&self) -> u16 {
        self.size
    }

    /// Bus address.
    pub(super) const fn bus(&self) -> u64 {
        self.memory.bus(0)
    }

    /// The index behind `index`.
    pub(super) const fn after(&self, index: u16) -> u16 {
        if index + 1 == self.size { 0 } else { index + 1 }
    }

    fn set(&self, index: u16, low: u64, high: u64) {
        let at = usize::from(index) * DESCRIPTOR_SIZE;
        // The word with the done bit first: a stale one must not sit beside a fresh address.
        self.memory.word64(at + 8).store(high, Ordering::Relaxed);
        self.memory.word64(at).store(low, Ordering::Release);
    }

    fn high(&self, index: u16) -> u64 {
        let at = usize::from(index) * DESCRIPTOR_SIZE + 8;
        // What the card wrote before the done bit is seen after it.
        self.memory.word64(at).load(Ordering::Acquire)
    }

    /// Names an empty buffer; the address is even (its bit 0 would be read as "no snoop").
    pub(super) fn offer(&self, index: u16, buffer: u64) {
        self.set(index, buffer, 0);
    }

    /// What the card received into a buffer, once it has.
    pub(super) fn received(&self, index: u16) -> Option<Received> {
        let high = self.high(index);
        (high & RECEIVED != 0).then_some(Received {
            len: (high >> 32) as u16,
            last: high & LAST != 0,
            errors: (high >> 20) as u32 & 0xfff,
        })
    }

    /// Names a piece of a frame of `total` bytes.
    pub(super) fn send(&self, index: u16, bus: u64, len: u16, total: usize, last: bool) {
        let end = if last { END_OF_PACKET } else { 0 };
        let payload = (total as u64) << PAYLOAD_SHIFT;
        let high = u64::from(len) | DATA | INSERT_CHECK | ADVANCED | end | payload;
        self.set(index, bus, high);
    }

    /// Asks for a report of a descriptor that the card does not have yet.
    pub(super) fn ask_report(&self, index: u16) {
        let at = usize::from(index) * DESCRIPTOR_SIZE + 8;
        self.memory.word64(at).fetch_or(REPORT, Ordering::Release);
    }

    /// Whether the card has reported a descriptor.
    pub(super) fn is_sent(&self, index: u16) -> bool {
        self.high(index) & SENT != 0
    }

    /// Keeps the memory for ever: the card could not be stopped.
    pub(super) const fn leak(&mut self) {
        self.memory.leak();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HeapPlatform, Platform};

    fn ring() -> Ring {
        Ring::new(HeapPlatform.allocate(1).expect("a page"), 8)
    }

    #[test]
    fn a_data_descriptor_has_the_bits_of_the_datasheet() {
        let ring = ring();
        ring.send(3, 0x1234_5678_9abc, 1514, 9014, false);
        assert_eq!(
            ring.memory.word64(48).load(Ordering::Relaxed),
            0x1234_5678_9abc
        );
        // PAYLEN 9014, DCMD DEXT | IFCS, DTYP 3, DTALEN 1514.
        let expected = 9014 << 46 | 0x22 << 24 | 0x3 << 20 | 1514;
        assert_eq!(ring.memory.word64(56).load(Ordering::Relaxed), expected);
        ring.send(3, 0, 1514, 9014, true);
        ring.ask_report(3);
        let expected = 9014 << 46 | 0x2b << 24 | 0x3 << 20 | 1514;
        assert_eq!(ring.memory.word64(56).load(Ordering::Relaxed), expected);
        assert!(!ring.is_sent(3));
    }

    #[test]
    fn a_written_back_descriptor_is_read_as_the_datasheet_has_it() {
        let ring = ring();
        ring.offer(7, 0x1000);
        assert_eq!(ring.received(7), None);
        let high = 9014 << 32 | 0x800 << 20 | 0x3;
        ring.memory
            .word64(7 * 16 + 8)
            .store(high, Ordering::Relaxed);
        let received = Received {
            len: 9014,
            last: true,
            errors: 0x800,
        };
        assert_eq!(ring.received(7), Some(received));
        assert_eq!(ring.after(7), 0);
    }
}
