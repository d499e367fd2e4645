//! A split virtqueue (virtio 1.2 §2.7), the device's side.

use std::sync::atomic::{Ordering, fence};

use mx_nic::virtio::RingAddresses;

use crate::model::{dma, refuse};

/// Flags of a descriptor (§2.7.5).
const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;

/// A piece of a buffer.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    pub bus: u64,
    pub len: usize,
    pub writable: bool,
}

/// A buffer that is given back: its number, and the bytes written.
pub type Used = (u32, u32);

/// What a queue's rings look like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Format {
    pub event_index: bool,
    pub indirect: bool,
}

#[derive(Debug, Default)]
pub struct Queue {
    pub most: u16,
    pub size: u16,
    pub rings: Option<RingAddresses>,
    pub format: Format,
    available: u16,
    used: u16,
    /// Used index at the last decision about an interrupt.
    signalled: u16,
    /// Its doorbell rang, and it has not looked at everything yet.
    pub awake: bool,
    /// A test wrote into its used ring: the driver has got back what the device has not taken.
    pub lied: bool,
    /// Buffers that are still to be given back, those of a frame together.
    late: Vec<Vec<Used>>,
    pub doorbells: usize,
    pub interrupts: usize,
    pub vector: Option<u16>,
}

impl Queue {
    pub fn new(most: u16) -> Self {
        Self {
            most,
            size: most,
            ..Self::default()
        }
    }

    /// Forgets everything but what a test counts.
    pub fn reset(&mut self) {
        *self = Self {
            doorbells: self.doorbells,
            interrupts: self.interrupts,
            ..Self::new(self.most)
        };
    }

    pub fn rings(&self) -> RingAddresses {
        self.rings.expect("the queue is enabled")
    }

    /// Gives the queue its memory (§2.7: alignments, sizes).
    pub fn enable(&mut self, size: u16, rings: RingAddresses, format: Format) {
        if size > self.most || !size.is_power_of_two() {
            refuse!(
                "a queue of {size} entries; it has {} at most, and a power of two (§2.7)",
                self.most
            );
        }
        let entries = u64::from(size);
        let parts = [
            ("descriptor table", rings.descriptors, 16, 16 * entries),
            ("available ring", rings.available, 2, 6 + 2 * entries),
            ("used ring", rings.used, 4, 6 + 8 * entries),
        ];
        for (name, bus, alignment, bytes) in parts {
            if !bus.is_multiple_of(alignment) {
                refuse!("the {name} at {bus:#x} is not aligned to {alignment} (§2.7)");
            }
            dma::read(bus, bytes as usize);
        }
        if dma::word16(rings.available + 2).load(Ordering::Relaxed) != 0 {
            refuse!("the available ring of a queue that begins is not at its start (§3.1.1)");
        }
        self.size = size;
        self.rings = Some(rings);
        self.format = format;
        self.fall_asleep();
    }

    /// The next buffer, if the driver published one: its number and pieces.
    pub fn pop(&mut self) -> Option<(u16, Vec<Piece>)> {
        let rings = self.rings();
        let index = dma::word16(rings.available + 2).load(Ordering::Acquire);
        if index == self.available {
            return None;
        }
        if index.wrapping_sub(self.available) > self.size {
            if !self.lied {
                refuse!("more buffers are published than the ring holds (§2.7.13.1)");
            }
            // What a lie gave back was published again before it was taken.
            self.available = index.wrapping_sub(self.size);
        }
        let flags = dma::word16(rings.available).load(Ordering::Relaxed);
        if flags & !1 != 0 || self.format.event_index && flags != 0 {
            refuse!("the flags of the available ring are {flags:#x} (§2.7.7.1)");
        }
        let entry = u64::from(self.available % self.size);
        let head = dma::word16(rings.available + 4 + 2 * entry).load(Ordering::Relaxed);
        self.available = self.available.wrapping_add(1);
        let mut pieces = Vec::new();
        let first = rings.descriptors + 16 * u64::from(head);
        if dma::word16(first + 12).load(Ordering::Relaxed) & INDIRECT != 0 {
            if !self.format.indirect {
                refuse!("a table of descriptors that was not negotiated (§2.7.5.3.1)");
            }
            let flags = dma::word16(first + 12).load(Ordering::Relaxed);
            if flags != INDIRECT {
                refuse!("a descriptor of a table has flags {flags:#x} (§2.7.5.3.1)");
            }
            let bytes = dma::word32(first + 8).load(Ordering::Relaxed);
            if bytes == 0 || !bytes.is_multiple_of(16) {
                refuse!("a table of {bytes} bytes (§2.7.5.3.2)");
            }
            walk(dma::word(first), 0, bytes / 16, &mut pieces);
        } else {
            walk(rings.descriptors, head, self.size.into(), &mut pieces);
        }
        Some((head, pieces))
    }

    /// Takes the last buffers back that were popped.
    pub fn put_back(&mut self, buffers: u16) {
        self.available = self.available.wrapping_sub(buffers);
    }

    /// Gives the buffers of a frame back, together.
    pub fn push(&mut self, buffers: Vec<Used>, late: bool) {
        self.late.push(buffers);
        if !late {
            self.write_back();
        }
    }

    /// Gives back what is late.
    pub fn write_back(&mut self) {
        let Some(rings) = self.rings else {
            return;
        };
        for (id, written) in std::mem::take(&mut self.late).into_iter().flatten() {
            let entry = rings.used + 4 + 8 * u64::from(self.used % self.size);
            dma::word32(entry).store(id, Ordering::Relaxed);
            dma::word32(entry + 4).store(written, Ordering::Relaxed);
            self.used = self.used.wrapping_add(1);
        }
        dma::word16(rings.used + 2).store(self.used, Ordering::Release);
    }

    /// Interrupts if the driver wants it (§2.7.7, §2.7.10), and its interrupts are not lost.
    pub fn interrupt(&mut self, lost_interrupts: bool) {
        fence(Ordering::SeqCst);
        let rings = self.rings();
        let wanted = if self.format.event_index {
            let place = rings.available + 4 + 2 * u64::from(self.size);
            let event = dma::word16(place).load(Ordering::Relaxed);
            passed(event, self.signalled, self.used)
        } else {
            dma::word16(rings.available).load(Ordering::Relaxed) & 1 == 0
        };
        if wanted && self.signalled != self.used && !lost_interrupts {
            self.interrupts += 1;
        }
        self.signalled = self.used;
    }

    /// While it works it wants no doorbells.
    pub fn suppress_doorbells(&mut self) {
        if !self.format.event_index {
            dma::word16(self.rings().used).store(1, Ordering::Relaxed);
        }
    }

    /// Asks for the next doorbell; sleeps if nothing came meanwhile.
    pub fn fall_asleep(&mut self) {
        let rings = self.rings();
        if self.format.event_index {
            let place = dma::word16(rings.used + 4 + 8 * u64::from(self.size));
            place.store(self.available, Ordering::Relaxed);
        } else {
            dma::word16(rings.used).store(0, Ordering::Relaxed);
        }
        fence(Ordering::SeqCst);
        let published = dma::word16(rings.available + 2).load(Ordering::Relaxed);
        self.awake = published != self.available;
    }

    /// Writes a lie into the used ring.
    pub fn lie(&mut self, index: Option<u16>, entry: u16, id: u32, written: u32) {
        self.lied = true;
        let rings = self.rings();
        let at = rings.used + 4 + 8 * u64::from(entry % self.size);
        dma::word32(at).store(id, Ordering::Relaxed);
        dma::word32(at + 4).store(written, Ordering::Relaxed);
        if let Some(index) = index {
            dma::word16(rings.used + 2).store(index, Ordering::Release);
        }
    }

    /// Writes whatever it likes where the driver looks before it rings a doorbell.
    pub fn scribble_doorbell_wishes(&self, flags: u16, event: u16) {
        let rings = self.rings();
        dma::word16(rings.used).store(flags, Ordering::Relaxed);
        dma::word16(rings.used + 4 + 8 * u64::from(self.size)).store(event, Ordering::Relaxed);
    }
}

/// Whether `event` is among the indices from `old` up to, without, `new`.
fn passed(event: u16, old: u16, new: u16) -> bool {
    event.wrapping_sub(old) < new.wrapping_sub(old)
}

/// Follows a chain of descriptors.
fn walk(table: u64, mut index: u16, limit: u32, pieces: &mut Vec<Piece>) {
    loop {
        if u32::from(index) >= limit {
            refuse!("descriptor {index} lies outside of its table of {limit} (§2.7.5)");
        }
        if pieces.len() as u32 >= limit {
            refuse!("a chain of descriptors without an end (§2.7.5.2)");
        }
        let at = table + 16 * u64::from(index);
        let flags = dma::word16(at + 12).load(Ordering::Relaxed);
        let piece = Piece {
            bus: dma::word(at),
            len: dma::word32(at + 8).load(Ordering::Relaxed) as usize,
            writable: flags & WRITE != 0,
        };
        if piece.len == 0 {
            refuse!("an empty piece: QEMU breaks a device that is given one");
        }
        if flags & !(NEXT | WRITE) != 0 {
            refuse!("a descriptor with flags {flags:#x} in a chain or table (§2.7.5.3.1)");
        }
        if pieces.last().is_some_and(|last| last.writable) && !piece.writable {
            refuse!("a piece to be read behind one to be written (§2.7.4.2)");
        }
        pieces.push(piece);
        if flags & NEXT == 0 {
            return;
        }
        index = dma::word16(at + 14).load(Ordering::Relaxed);
    }
}
