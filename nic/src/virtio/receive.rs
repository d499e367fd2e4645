//! The queue of frames from the wire: a buffer for the longest frame in every slot.

use alloc::vec::Vec;

use super::NET_HEADER;
use super::ring::{DEVICE_WRITES, SplitRing};
use crate::dma::{DmaMemory, PAGE_SIZE};
use crate::{Fault, Platform};

/// Bytes of an Ethernet header; what is shorter is no frame.
const ETHERNET_HEADER: usize = 14;
/// Buffers begin at multiples of this, so that several short ones share pages.
const GRAIN: usize = 2048;
/// Pages that are allocated together: one buffer for a frame of 9014 bytes, or six for one of 1514.
const CHUNK_PAGES: usize = 3;

/// Longest frame that fits a buffer.
pub(super) const LONGEST_FRAME: usize = CHUNK_PAGES * PAGE_SIZE - NET_HEADER;

/// What a call of [`ReceiveQueue::receive`] did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Received {
    /// Frames taken from the card.
    pub(super) taken: usize,
    /// Frames of them that were shown, and their bytes.
    pub(super) shown: u64,
    pub(super) bytes: u64,
    /// Why it ended early.
    pub(super) fault: Option<Fault>,
}

pub(super) struct ReceiveQueue {
    ring: SplitRing,
    chunks: Vec<DmaMemory>,
    buffers_per_chunk: usize,
    stride: usize,
    /// Bytes of a buffer that the card may fill.
    capacity: usize,
}

impl ReceiveQueue {
    /// Fills the ring with at most `buffers` buffers for frames of up to `max_frame` bytes. The card sees them after
    /// [`ReceiveQueue::publish`]. `None` without memory.
    pub(super) fn new(
        ring: SplitRing,
        platform: &impl Platform,
        buffers: u16,
        max_frame: usize,
    ) -> Option<Self> {
        let capacity = NET_HEADER + max_frame;
        let stride = capacity.next_multiple_of(GRAIN);
        let buffers_per_chunk = CHUNK_PAGES * PAGE_SIZE / stride;
        let buffers = buffers.min(ring.slots());
        let chunks = usize::from(buffers).div_ceil(buffers_per_chunk);
        let chunks = (0..chunks)
            .map(|_| platform.allocate(CHUNK_PAGES))
            .collect::<Option<_>>()?;
        let mut queue = Self {
            ring,
            chunks,
            buffers_per_chunk,
            stride,
            capacity,
        };
        for slot in 0..buffers {
            let (chunk, offset) = queue.place(slot);
            let bus = queue.chunks[chunk].bus(offset);
            queue
                .ring
                .describe(slot, 0, bus, capacity as u32, DEVICE_WRITES);
            queue.ring.give(slot);
        }
        Some(queue)
    }

    /// Chunk and offset of a slot's buffer.
    fn place(&self, slot: u16) -> (usize, usize) {
        let slot = usize::from(slot);
        (
            slot / self.buffers_per_chunk,
            slot % self.buffers_per_chunk * self.stride,
        )
    }

    /// Takes up to `max` frames, shows them, and puts their buffers back into the ring.
    pub(super) fn receive(&mut self, max: usize, each: &mut dyn FnMut(&[u8])) -> Received {
        let mut received = Received::default();
        while received.taken < max {
            let used = match self.ring.take() {
                Ok(Some(used)) => used,
                Ok(None) => break,
                Err(fault) => {
                    received.fault = Some(fault);
                    break;
                }
            };
            let written = used.written as usize;
            if !(NET_HEADER..=self.capacity).contains(&written) {
                received.fault = Some(Fault::Length {
                    claimed: used.written,
                    size: self.capacity as u32,
                });
                break;
            }
            received.taken += 1;
            if written - NET_HEADER >= ETHERNET_HEADER {
                let (chunk, offset) = self.place(used.slot);
                // SAFETY: the card just gave this slot back, once (the ring checked that it had it), and the driver
                // gives it again only below, when the slice is gone.
                let frame = unsafe {
                    self.chunks[chunk].handed_over(offset + NET_HEADER, written - NET_HEADER)
                };
                received.shown += 1;
                received.bytes += frame.len() as u64;
                each(frame);
            }
            self.ring.give(used.slot);
        }
        received
    }

    /// See [`SplitRing::publish`].
    pub(super) fn publish(&mut self) -> Option<bool> {
        self.ring.publish()
    }

    /// See [`SplitRing::arm`].
    pub(super) fn arm(&self) -> bool {
        self.ring.arm()
    }

    /// See [`SplitRing::disarm`].
    pub(super) fn disarm(&self) {
        self.ring.disarm();
    }

    /// Keeps all memory for ever: the card could not be stopped.
    pub(super) fn leak(&mut self) {
        self.ring.leak();
        self.chunks.iter_mut().for_each(DmaMemory::leak);
    }
}
