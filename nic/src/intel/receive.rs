//! The ring of frames from the wire: a buffer for the longest frame at every descriptor.

use alloc::vec::Vec;

use super::chip::FRAME_CHECK;
use super::descriptor::{DESCRIPTOR_SIZE, Ring};
use crate::dma::{DmaMemory, PAGE_SIZE};
use crate::{Fault, Platform, Received};

/// Buffers have a length that is a multiple of this (SRRCTL.BSIZEPACKET: 82576 §8.10, 82599 §8.2.3.8).
const GRAIN: usize = 1024;
/// Pages that are allocated together: one buffer for a frame of 9014 bytes, or six for one of 1514.
const CHUNK_PAGES: usize = 3;
/// Descriptors at least and at most; a ring's length is a multiple of 128 bytes (82576 §8.10, 82599 §8.2.3.8: xDLEN).
const LEAST: u16 = 8;
const MOST: u16 = 4096;

/// Longest frame that fits a buffer, which has room for the check though the card strips it.
pub(super) const LONGEST_FRAME: usize = CHUNK_PAGES * PAGE_SIZE - FRAME_CHECK;

/// Descriptor `n` always has buffer `n`. The card has all descriptors but the one before `next`.
pub(super) struct ReceiveRing {
    pub(super) ring: Ring,
    chunks: Vec<DmaMemory>,
    /// Bytes of a buffer, a multiple of 1024.
    pub(super) capacity: usize,
    /// The descriptor that the card fills next.
    next: u16,
    /// The frame at `next` began in an earlier descriptor: it is too long, and dropped until its end.
    in_long_frame: bool,
    /// Extended errors that make a frame bad, and frames that were, since the card was opened.
    errors: u32,
    pub(super) bad: u64,
}

impl ReceiveRing {
    /// A ring of about `buffers` buffers for frames of up to `max_frame` bytes; `None` without memory.
    pub(super) fn new(
        platform: &impl Platform,
        buffers: u16,
        max_frame: usize,
        errors: u32,
    ) -> Option<Self> {
        let size = buffers.clamp(LEAST, MOST).next_multiple_of(LEAST);
        let bytes = usize::from(size) * DESCRIPTOR_SIZE;
        let ring = Ring::new(platform.allocate(bytes.div_ceil(PAGE_SIZE))?, size);
        let capacity = (max_frame + FRAME_CHECK).next_multiple_of(GRAIN);
        let chunks = usize::from(size).div_ceil(CHUNK_PAGES * PAGE_SIZE / capacity);
        Some(Self {
            ring,
            chunks: (0..chunks)
                .map(|_| platform.allocate(CHUNK_PAGES))
                .collect::<Option<_>>()?,
            capacity,
            next: 0,
            in_long_frame: false,
            errors,
            bad: 0,
        })
    }

    /// Chunk and offset of a buffer.
    fn place(&self, index: u16) -> (usize, usize) {
        let per_chunk = CHUNK_PAGES * PAGE_SIZE / self.capacity;
        let index = usize::from(index);
        (index / per_chunk, index % per_chunk * self.capacity)
    }

    fn offer(&self, index: u16) {
        let (chunk, offset) = self.place(index);
        self.ring.offer(index, self.chunks[chunk].bus(offset));
    }

    /// Offers all buffers to a card that was reset; the tail to write.
    pub(super) fn reset(&mut self) -> u16 {
        (0..self.ring.size()).for_each(|index| self.offer(index));
        self.next = 0;
        self.in_long_frame = false;
        self.tail()
    }

    /// The descriptor behind the last one that the card has.
    pub(super) const fn tail(&self) -> u16 {
        match self.next {
            0 => self.ring.size() - 1,
            next => next - 1,
        }
    }

    /// Whether the card has filled a buffer.
    pub(super) fn has_received(&self) -> bool {
        self.ring.received(self.next).is_some()
    }

    /// Takes up to `max` frames, shows them, and offers their buffers again; [`ReceiveRing::tail`] then tells the card.
    pub(super) fn receive(&mut self, max: usize, each: &mut dyn FnMut(&[u8])) -> Received {
        let mut done = Received::default();
        let mut descriptors = 0;
        // The card has one descriptor less than there are: a done bit in that one would be a lie.
        let most = max.min(usize::from(self.ring.size()) - 1);
        while descriptors < most
            && let Some(received) = self.ring.received(self.next)
        {
            let len = usize::from(received.len);
            if len > self.capacity {
                done.fault = Some(Fault::Length {
                    claimed: len as u32,
                    size: self.capacity as u32,
                });
                break;
            }
            let is_long = self.in_long_frame || !received.last;
            self.in_long_frame = !received.last;
            if is_long {
                done.long += u64::from(received.last);
            } else if received.errors & self.errors != 0 {
                self.bad += 1;
            } else if done.count(len, self.capacity) {
                let (chunk, offset) = self.place(self.next);
                // SAFETY: the card set the done bit of this descriptor, which it had, and the driver offers the
                // buffer again only below, when the slice is gone.
                let frame = unsafe { self.chunks[chunk].handed_over(offset, len) };
                each(frame);
            }
            self.offer(self.next);
            self.next = self.ring.after(self.next);
            descriptors += 1;
        }
        done.taken = descriptors;
        done
    }

    /// Keeps all memory for ever: the card could not be stopped.
    pub(super) fn leak(&mut self) {
        self.ring.leak();
        self.chunks.iter_mut().for_each(DmaMemory::leak);
    }
}
