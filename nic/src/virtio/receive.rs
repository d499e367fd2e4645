//! The queue of frames from the wire.
//!
//! Where the card offers mergeable buffers (§5.1.6.4), a buffer takes half of a frame that is longer than a page, so that short
//! frames waste less. Buffers are neighbours in memory and are given in the order of memory: a frame is in one piece unless
//! the card takes them in another order, or at the end of a chunk; only then it is copied. Otherwise each buffer takes the
//! longest frame whole.

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use super::NET_HEADER;
use super::ring::{DEVICE_WRITES, SplitRing, Used};
use crate::dma::{DmaMemory, PAGE_SIZE};
use crate::{Fault, Platform, Received};

/// Buffers begin at multiples of this, so that several short ones share pages.
const GRAIN: usize = 2048;
/// Pages that are allocated together: one buffer for a whole frame of 9014 bytes, or six for one of 1514.
const CHUNK_PAGES: usize = 3;
/// The same for mergeable buffers: 57 halves of frames of 9014 bytes. One frame in 57 is copied.
const MERGEABLE_CHUNK_PAGES: usize = 64;
/// Halves of frames begin at multiples of this, the line of a cache.
const LINE: usize = 64;

/// Longest frame that fits a buffer.
pub(super) const LONGEST_FRAME: usize = CHUNK_PAGES * PAGE_SIZE - NET_HEADER;

/// Where a frame's header has `num_buffers` (§5.1.6).
const PIECES: usize = 10;

/// Where a buffer lies.
#[derive(Clone, Copy, Debug)]
struct BufferPlace {
    chunk: usize,
    offset: usize,
}

pub(super) struct ReceiveQueue {
    pub(super) ring: SplitRing,
    chunks: Vec<DmaMemory>,
    /// Where the buffer of each slot lies.
    places: Vec<BufferPlace>,
    /// Bytes of a buffer that the card may fill.
    capacity: usize,
    max_frame: usize,
    mergeable: bool,
    /// Where a frame is put together whose buffers are no neighbours.
    joined: Vec<u8>,
}

impl ReceiveQueue {
    /// Takes over a ring made for one descriptor to a slot, with at most `buffers` buffers for frames of up to `max_frame`
    /// bytes. `None` without memory.
    pub(super) fn new(
        ring: SplitRing,
        platform: &impl Platform,
        buffers: u16,
        max_frame: usize,
        mergeable: bool,
    ) -> Option<Self> {
        let whole = NET_HEADER + max_frame;
        let stride = if mergeable && whole > PAGE_SIZE {
            whole.div_ceil(2).next_multiple_of(LINE)
        } else {
            whole.next_multiple_of(GRAIN)
        };
        let chunk_pages = if mergeable {
            MERGEABLE_CHUNK_PAGES
        } else {
            CHUNK_PAGES
        };
        let buffers_per_chunk = chunk_pages * PAGE_SIZE / stride;
        let buffers = usize::from(buffers.min(ring.slots()));
        let place = |slot| BufferPlace {
            chunk: slot / buffers_per_chunk,
            offset: slot % buffers_per_chunk * stride,
        };
        Some(Self {
            ring,
            chunks: (0..buffers.div_ceil(buffers_per_chunk))
                .map(|_| platform.allocate(chunk_pages))
                .collect::<Option<_>>()?,
            places: (0..buffers).map(place).collect(),
            capacity: if mergeable { stride } else { whole },
            max_frame,
            mergeable,
            joined: alloc::vec![0; if mergeable { max_frame } else { 0 }],
        })
    }

    /// Gives all buffers to a card that was reset. It sees them after [`SplitRing::publish`].
    pub(super) fn restart(&mut self) {
        self.ring.restart();
        for (slot, place) in (0..).zip(&self.places) {
            let bus = self.chunks[place.chunk].bus(place.offset);
            self.ring
                .describe(slot, 0, bus, self.capacity as u32, DEVICE_WRITES);
            self.ring.give(slot);
        }
    }

    /// Where the buffer lies that the card gave back.
    fn place(&self, used: Used) -> BufferPlace {
        self.places[usize::from(used.slot)]
    }

    /// Takes up to `max` frames, shows them, and puts their buffers back into the ring.
    pub(super) fn receive(&mut self, max: usize, each: &mut dyn FnMut(&[u8])) -> Received {
        let mut received = Received::default();
        while received.taken < max {
            let shown = match self.ring.take() {
                Ok(Some(first)) => self.show(first, &mut received, each),
                Ok(None) => break,
                Err(fault) => Err(fault),
            };
            if let Err(fault) = shown {
                received.fault = Some(fault);
                break;
            }
        }
        received
    }

    /// Shows the frame that begins in a buffer.
    fn show(
        &mut self,
        first: Used,
        received: &mut Received,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Fault> {
        let written = self.written(first, NET_HEADER)?;
        let BufferPlace { chunk, offset } = self.place(first);
        let pieces = if self.mergeable {
            let pieces = self.chunks[chunk].word16(offset + PIECES);
            u16::from_le(pieces.load(Ordering::Relaxed))
        } else {
            1
        };
        match pieces {
            1 => {}
            2 => return self.show_halves(first, received, each),
            _ => return self.drop_long(first, pieces, received),
        }
        let len = written - NET_HEADER;
        if received.count(len, self.max_frame) {
            // SAFETY: the card just gave this slot back, once (the ring checked that it had it), and the driver
            // gives it again only below, when the slice is gone.
            each(unsafe { self.chunks[chunk].handed_over(offset + NET_HEADER, len) });
        }
        self.ring.give(first.slot);
        Ok(())
    }

    /// Shows a frame that lies in two buffers.
    fn show_halves(
        &mut self,
        first: Used,
        received: &mut Received,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Fault> {
        let second = self.next_piece(2, 1)?;
        let begun = self.written(first, NET_HEADER)?;
        let len = begun - NET_HEADER + self.written(second, 0)?;
        if received.count(len, self.max_frame) {
            let (here, there) = (self.place(first), self.place(second));
            if here.chunk == there.chunk && here.offset + begun == there.offset {
                let chunk = &self.chunks[here.chunk];
                // SAFETY: as in `show`, for both slots; the second buffer begins where the first one's bytes end.
                each(unsafe { chunk.handed_over(here.offset + NET_HEADER, len) });
            } else {
                self.join(first, second);
                each(&self.joined[..len]);
            }
        }
        self.ring.give(first.slot);
        self.ring.give(second.slot);
        Ok(())
    }

    /// Drops a frame that lies in more buffers than one that is not too long.
    fn drop_long(
        &mut self,
        first: Used,
        pieces: u16,
        received: &mut Received,
    ) -> Result<(), Fault> {
        if pieces == 0 {
            return Err(Fault::Pieces {
                claimed: 0,
                came: 1,
            });
        }
        self.ring.give(first.slot);
        for came in 1..pieces {
            let piece = self.next_piece(pieces, came)?;
            self.ring.give(piece.slot);
        }
        received.count(usize::MAX, self.max_frame);
        Ok(())
    }

    /// The next buffer of a frame; §5.1.6.4.1 has a card give all of them back at once.
    fn next_piece(&mut self, claimed: u16, came: u16) -> Result<Used, Fault> {
        self.ring.take()?.ok_or(Fault::Pieces { claimed, came })
    }

    /// Bytes that the card wrote into a buffer, if that can be.
    fn written(&self, used: Used, least: usize) -> Result<usize, Fault> {
        let written = used.written as usize;
        if (least..=self.capacity).contains(&written) {
            Ok(written)
        } else {
            Err(Fault::Length {
                claimed: used.written,
                size: self.capacity as u32,
            })
        }
    }

    /// Copies the two pieces of a frame that is not too long.
    fn join(&mut self, first: Used, second: Used) {
        let mut at = 0;
        for (piece, skip) in [(first, NET_HEADER), (second, 0)] {
            let BufferPlace { chunk, offset } = self.place(piece);
            let len = piece.written as usize - skip;
            // SAFETY: as in `show`.
            let bytes = unsafe { self.chunks[chunk].handed_over(offset + skip, len) };
            self.joined[at..at + len].copy_from_slice(bytes);
            at += len;
        }
    }

    /// Keeps all memory for ever: the card could not be stopped.
    pub(super) fn leak(&mut self) {
        self.ring.leak();
        self.chunks.iter_mut().for_each(DmaMemory::leak);
    }
}
