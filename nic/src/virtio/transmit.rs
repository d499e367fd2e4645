//! The queue of frames to the wire: a slot of driver memory for the head of each, and the rest by scatter-gather.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::NET_HEADER;
use super::ring::{DESCRIPTOR_SIZE, Descriptor, INDIRECT, MAX_SIZE, NEXT, SplitRing};
use crate::dma::{DmaMemory, PAGE_SIZE};
use crate::{Fault, Fragment, MIN_FRAME, Platform, Token, TransmitError, frame_length};

/// Descriptors of a frame: its head and its fragments.
pub(super) const PIECES: usize = 8;
/// Most fragments of a frame.
pub const MAX_FRAGMENTS: usize = PIECES - 1;

/// Bytes of a slot: a table of descriptors, the card's header (zeros: no offload is asked for), the frame's head.
const SLOT_SIZE: usize = PAGE_SIZE / 2;
const SLOT_HEADER: usize = PIECES * DESCRIPTOR_SIZE;
const SLOT_HEAD: usize = SLOT_HEADER + NET_HEADER;

/// Most bytes of a frame's head.
pub const MAX_HEAD: usize = SLOT_SIZE - SLOT_HEAD;

pub(super) struct TransmitQueue {
    pub(super) ring: SplitRing,
    indirect: bool,
    max_frame: usize,
    slots: DmaMemory,
    tokens: [Token; MAX_SIZE as usize],
    free: Vec<u16>,
    /// Slots of frames that a card had when it was reset, until their tokens are handed back.
    returned: VecDeque<u16>,
}

impl TransmitQueue {
    /// Descriptors that a slot takes in the ring.
    pub(super) const fn chain(indirect: bool) -> u16 {
        if indirect { 1 } else { PIECES as u16 }
    }

    /// Takes over a ring made with [`TransmitQueue::chain`]; `None` without memory.
    pub(super) fn new(
        ring: SplitRing,
        platform: &impl Platform,
        indirect: bool,
        max_frame: usize,
    ) -> Option<Self> {
        let slots = ring.slots();
        let bytes = usize::from(slots) * SLOT_SIZE;
        Some(Self {
            ring,
            indirect,
            max_frame,
            slots: platform.allocate(bytes.div_ceil(PAGE_SIZE))?,
            tokens: [Token::default(); MAX_SIZE as usize],
            free: (0..slots).rev().collect(),
            returned: VecDeque::with_capacity(slots.into()),
        })
    }

    /// Puts a frame into the ring; its length in bytes.
    pub(super) fn transmit(
        &mut self,
        head: &[&[u8]],
        fragments: &[Fragment],
        token: Token,
    ) -> Result<usize, TransmitError> {
        let head_len: usize = head.iter().map(|piece| piece.len()).sum();
        let len = frame_length(head_len, fragments, (MAX_HEAD, MAX_FRAGMENTS))
            .filter(|len| (MIN_FRAME..=self.max_frame).contains(len))
            .ok_or(TransmitError::Unfit)?;
        let slot = self.free.pop().ok_or(TransmitError::Full)?;

        let base = usize::from(slot) * SLOT_SIZE;
        let mut at = base + SLOT_HEAD;
        for piece in head {
            self.slots.write(at, piece);
            at += piece.len();
        }
        let first = Fragment {
            bus: self.slots.bus(base + SLOT_HEADER),
            len: (NET_HEADER + head_len) as u32,
        };
        if self.indirect {
            self.describe_by_table(slot, first, fragments);
        } else {
            self.describe_by_chain(slot, first, fragments);
        }
        self.tokens[usize::from(slot)] = token;
        self.ring.give(slot);
        Ok(len)
    }

    /// One descriptor in the ring, which names the table in the slot (§2.7.5.3).
    fn describe_by_table(&mut self, slot: u16, first: Fragment, fragments: &[Fragment]) {
        let base = usize::from(slot) * SLOT_SIZE;
        for (index, (piece, flags)) in pieces(first, fragments).enumerate() {
            let descriptor = Descriptor {
                bus: piece.bus,
                len: piece.len,
                flags,
                next: index as u16 + 1,
            };
            self.slots
                .write(base + index * DESCRIPTOR_SIZE, &descriptor.bytes());
        }
        let table = self.slots.bus(base);
        let bytes = (1 + fragments.len()) * DESCRIPTOR_SIZE;
        self.ring.describe(slot, 0, table, bytes as u32, INDIRECT);
    }

    /// A descriptor in the ring for each piece.
    fn describe_by_chain(&mut self, slot: u16, first: Fragment, fragments: &[Fragment]) {
        for (index, (piece, flags)) in pieces(first, fragments).enumerate() {
            self.ring
                .describe(slot, index as u16, piece.bus, piece.len, flags);
        }
    }

    /// Takes back frames that the card has sent. Tokens before the fault, if there is one, are good.
    pub(super) fn completed(&mut self, tokens: &mut [Token]) -> (usize, Option<Fault>) {
        let before = self.hand_back(tokens);
        for (count, place) in tokens.iter_mut().enumerate().skip(before) {
            match self.ring.take() {
                Ok(Some(used)) => *place = self.release(used.slot),
                Ok(None) => return (count, None),
                Err(fault) => return (count, Some(fault)),
            }
        }
        (tokens.len(), None)
    }

    /// The card was reset and has no frame any more: all come back, and the ring begins anew.
    pub(super) fn reset(&mut self) {
        while let Some(slot) = self.ring.reclaim() {
            self.returned.push_back(slot);
        }
        self.ring.restart();
    }

    /// Takes back frames that a card had when it was reset.
    pub(super) fn hand_back(&mut self, tokens: &mut [Token]) -> usize {
        if self.returned.is_empty() {
            return 0;
        }
        let count = tokens.len().min(self.returned.len());
        for (place, slot) in tokens.iter_mut().zip(self.returned.drain(..count)) {
            *place = self.tokens[usize::from(slot)];
            self.free.push(slot);
        }
        count
    }

    fn release(&mut self, slot: u16) -> Token {
        self.free.push(slot);
        self.tokens[usize::from(slot)]
    }

    /// Whether tokens wait to be handed back that a card had when it was reset.
    pub(super) fn has_returned(&self) -> bool {
        !self.returned.is_empty()
    }

    /// How far the card is, while it has frames; see [`SplitRing::unfinished`].
    pub(super) fn unfinished(&self) -> Option<u64> {
        self.ring.unfinished().map(u64::from)
    }

    /// Whether no token is out.
    pub(super) fn is_idle(&self) -> bool {
        self.free.len() == usize::from(self.ring.slots())
    }

    /// Keeps all memory for ever: the card could not be stopped.
    pub(super) const fn leak(&mut self) {
        self.ring.leak();
        self.slots.leak();
    }
}

/// The pieces of a frame with their flags.
fn pieces(first: Fragment, fragments: &[Fragment]) -> impl Iterator<Item = (Fragment, u16)> {
    let last = fragments.len();
    core::iter::once(first)
        .chain(fragments.iter().copied())
        .enumerate()
        .map(move |(index, piece)| (piece, if index < last { NEXT } else { 0 }))
}
