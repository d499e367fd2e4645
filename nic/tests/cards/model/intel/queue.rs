//! Rings and descriptors, the same on both chips (82576 §7.1.5 and §7.2.2.3, 82599 §7.1.6 and §7.2.3.2.4).

use std::collections::VecDeque;

use crate::model::{dma, refuse};

const DESCRIPTOR: u64 = 16;
/// Descriptors that a frame may have (82599 §7.2.1.1).
const MOST_PIECES: usize = 40;

/// A queue's registers.
#[derive(Debug, Default)]
pub struct Queue {
    pub name: &'static str,
    pub base: u64,
    pub bytes: u32,
    pub head: u32,
    pub tail: u32,
    pub enabled: bool,
    /// What ENABLE will be in a moment.
    pub becoming: Option<bool>,
}

impl Queue {
    pub fn new(name: &'static str, enabled: bool) -> Self {
        Self {
            name,
            enabled,
            ..Self::default()
        }
    }

    fn size(&self) -> u32 {
        self.bytes / DESCRIPTOR as u32
    }

    fn descriptor(&self, index: u32) -> u64 {
        self.base + u64::from(index) * DESCRIPTOR
    }

    fn advance(&mut self) {
        self.head = (self.head + 1) % self.size();
    }

    /// Refuses to be set up while it runs.
    pub fn must_be_disabled(&self, what: &str) {
        if self.enabled || self.becoming.is_some() {
            refuse!(
                "{what} of the {} queue is written while the queue is enabled (82576 §4.5.9, §4.5.10; 82599 §4.6.7, §4.6.8)",
                self.name
            );
        }
    }

    /// Writes ENABLE.
    pub fn enable(&mut self, enable: bool) {
        if enable && !self.enabled {
            if self.bytes == 0 || !self.bytes.is_multiple_of(128) {
                refuse!(
                    "the {} ring has {} bytes, which is not a multiple of 128",
                    self.name,
                    self.bytes
                );
            }
            if !self.base.is_multiple_of(128) {
                refuse!(
                    "the {} ring at {:#x} is not aligned to 128",
                    self.name,
                    self.base
                );
            }
        }
        if enable != self.enabled {
            self.becoming = Some(enable);
        }
    }

    /// Time passes.
    pub fn settle(&mut self) {
        if let Some(enabled) = self.becoming.take() {
            self.enabled = enabled;
        }
    }

    /// Writes the tail.
    pub fn set_tail(&mut self, tail: u32) {
        if !self.enabled {
            // Clearing it is part of setting a queue up.
            if tail != 0 {
                refuse!(
                    "the tail of the {} queue is moved before the queue is enabled (82576 §4.5.9, §4.5.10; 82599 §4.6.7, §4.6.8)",
                    self.name
                );
            }
            self.tail = 0;
            return;
        }
        if tail >= self.size() {
            refuse!(
                "the tail {tail} of the {} queue is outside of its ring",
                self.name
            );
        }
        let from_head = |index: u32| (index + self.size() - self.head) % self.size();
        if from_head(tail) < from_head(self.tail) {
            refuse!(
                "the tail of the {} queue goes from {} to {tail} while the card is at {}: descriptors are taken back",
                self.name,
                self.tail,
                self.head
            );
        }
        self.tail = tail;
    }

    fn is_empty(&self) -> bool {
        self.head == self.tail
    }
}

/// A report that is still to be written.
pub struct Report(u64);

/// Takes the next frame out of a transmit ring; reports go to `reports`.
pub fn next_frame(
    queue: &mut Queue,
    reports: &mut VecDeque<Report>,
    dma_fails: bool,
) -> Option<Vec<u8>> {
    if queue.is_empty() {
        return None;
    }
    let mut frame = Vec::new();
    let mut total = None;
    for piece in 0..=MOST_PIECES {
        if queue.is_empty() {
            refuse!("the tail cuts a frame after {piece} descriptors, before its end (EOP)");
        }
        let at = queue.descriptor(queue.head);
        let (bus, high) = (dma::word(at), dma::word(at + 8));
        let len = (high & 0xffff) as usize;
        let flags = high >> 20;
        let of = |bit: u32| high >> bit & 1 != 0;
        if flags & 0xf != 3 || !of(29) {
            refuse!(
                "descriptor {} is no advanced data descriptor: {high:#x}",
                queue.head
            );
        }
        // Bits 19:16, 28, 31:30 (VLE, TSE), 35:32 (DD and reserved), 38:36 (IDX), 39 (CC), 45:40 (POPTS).
        if high & (0xf << 16 | 1 << 28 | 0b11 << 30 | 0x3fff << 32) != 0 {
            refuse!(
                "descriptor {} sets bits of offloads, or reserved ones: {high:#x}",
                queue.head
            );
        }
        let payload = (high >> 46) as usize;
        match total {
            None => {
                if !of(25) {
                    refuse!("the first descriptor of a frame does not ask for its check (IFCS)");
                }
                total = Some(payload);
            }
            Some(first) if first != payload => {
                refuse!("PAYLEN is {first} and then {payload} in one frame");
            }
            Some(_) => {}
        }
        if len == 0 {
            refuse!("descriptor {} has no bytes", queue.head);
        }
        frame.extend(if dma_fails {
            // What an IOMMU refuses reads as zeros, and the card goes on.
            vec![0; len]
        } else {
            dma::read(bus, len)
        });
        if of(27) {
            reports.push_back(Report(at + 8));
        }
        let last = of(24);
        queue.advance();
        if last {
            break;
        }
        if piece == MOST_PIECES {
            refuse!("a frame has more than {MOST_PIECES} descriptors");
        }
    }
    if total != Some(frame.len()) {
        refuse!("PAYLEN is {total:?} for a frame of {} bytes", frame.len());
    }
    Some(frame)
}

/// Writes a report: DD, and nothing else of what was there.
pub fn report(report: &Report) {
    dma::write_word(report.0, 1 << 32);
}

/// What the card says about a frame that it received, when it lies.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lie {
    /// A length that it was not.
    pub len: Option<u16>,
    /// Extended errors.
    pub errors: u64,
}

/// A written-back receive descriptor, perhaps still to be written.
pub struct Filled {
    at: u64,
    high: u64,
}

/// Puts a frame into buffers; `None` without enough of them.
pub fn fill(
    queue: &mut Queue,
    buffer: usize,
    frame: &[u8],
    lie: Lie,
    dma_fails: bool,
) -> Option<Vec<Filled>> {
    let pieces: Vec<&[u8]> = frame.chunks(buffer).collect();
    let owned = (queue.tail + queue.size() - queue.head) % queue.size();
    if pieces.len() > owned as usize {
        return None;
    }
    let mut filled = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let at = queue.descriptor(queue.head);
        let (bus, high) = (dma::word(at), dma::word(at + 8));
        if high != 0 {
            refuse!(
                "receive descriptor {} has a header buffer, or a stale done bit: {high:#x}",
                queue.head
            );
        }
        if !bus.is_multiple_of(2) {
            refuse!("receive descriptor {} has an odd address", queue.head);
        }
        // A buffer must be there as a whole, whatever comes into it.
        dma::read(bus, buffer);
        if !dma_fails {
            dma::write(bus, piece);
        }
        let len = lie.len.unwrap_or(piece.len() as u16);
        let last = u64::from(index + 1 == pieces.len());
        filled.push(Filled {
            at: at + 8,
            high: u64::from(len) << 32 | lie.errors << 20 | last << 1 | 1,
        });
        queue.advance();
    }
    Some(filled)
}

/// Writes a receive descriptor back.
pub fn write_back(filled: &Filled) {
    dma::write_word(filled.at, filled.high);
}
