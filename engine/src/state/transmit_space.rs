//! Who has which part of the transmit area: pieces of 1 KiB, handed out in one span per message.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

const PIECE: u32 = 1024;

/// A span of the transmit area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    first: u32,
    pieces: u32,
}

impl Span {
    /// Where it starts, in bytes.
    #[inline]
    pub fn offset(&self) -> u32 {
        self.first * PIECE
    }
}

/// The allocator of the transmit area.
#[derive(Debug)]
pub struct TransmitSpace {
    taken: Vec<bool>,
    next: u32,
    /// Spans whose message needs them no more, but that the backend may still read until it has passed the command.
    leaving: VecDeque<(u32, Span)>,
}

impl TransmitSpace {
    /// For an area of that many bytes.
    pub fn new(bytes: u32) -> Self {
        Self {
            taken: vec![false; (bytes / PIECE) as usize],
            next: 0,
            leaving: VecDeque::new(),
        }
    }

    /// A span of at least `bytes`, at least 1. `None` when there is none free.
    pub fn take(&mut self, bytes: u32) -> Option<Span> {
        let pieces = bytes.div_ceil(PIECE);
        let total = self.taken.len() as u32;
        let span = self
            .find(self.next, total, pieces)
            .or_else(|| self.find(0, (self.next + pieces).min(total), pieces))?;
        self.mark(span, true);
        self.next = span.first + pieces;
        Some(span)
    }

    fn find(&self, from: u32, to: u32, pieces: u32) -> Option<Span> {
        let mut first = from;
        for at in from..to {
            if self.taken[at as usize] {
                first = at + 1;
            } else if at + 1 - first == pieces {
                return Some(Span { first, pieces });
            }
        }
        None
    }

    fn mark(&mut self, span: Span, taken: bool) {
        self.taken[span.first as usize..(span.first + span.pieces) as usize].fill(taken);
    }

    /// Bytes that are not free.
    pub fn taken(&self) -> usize {
        self.taken.iter().filter(|taken| **taken).count() * PIECE as usize
    }

    /// Gives a span back once the backend has passed the commands below the index `end`.
    pub fn leave(&mut self, span: Span, end: u32) {
        self.leaving.push_back((end, span));
    }

    /// Frees what left and is no longer read.
    #[inline]
    pub fn settle(&mut self, sent: u32) {
        while let Some(&(end, span)) = self.leaving.front() {
            if !passed(sent, end) {
                return;
            }
            self.leaving.pop_front();
            self.mark(span, false);
        }
    }
}

/// Whether the backend has passed all commands below the index `end`.
#[inline]
pub fn passed(sent: u32, end: u32) -> bool {
    sent.wrapping_sub(end).cast_signed() >= 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_used_again_only_after_the_backend_has_passed_its_command() {
        let mut space = TransmitSpace::new(4 * PIECE);
        let all = space.take(4 * PIECE).unwrap();
        space.leave(all, 8);
        space.settle(7);
        assert_eq!(space.take(1), None);
        space.settle(8);
        assert_eq!(space.take(4 * PIECE), Some(all));
    }

    #[test]
    fn spans_never_overlap_and_all_of_the_area_can_be_used() {
        let mut space = TransmitSpace::new(64 * PIECE);
        let mut live: Vec<Span> = Vec::new();
        let mut seed = 1u32;
        for round in 0..10_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if let Some(span) = space.take((seed >> 16) % (9 * PIECE) + 1) {
                let end = |span: &Span| span.first + span.pieces;
                assert!(end(&span) <= 64);
                assert!(
                    live.iter()
                        .all(|other| end(other) <= span.first || end(&span) <= other.first)
                );
                live.push(span);
            } else {
                let gone = live.swap_remove((seed >> 8) as usize % live.len());
                space.leave(gone, round);
                space.settle(round);
            }
        }
        for span in live {
            space.leave(span, 0);
        }
        space.settle(0);
        assert!(space.take(64 * PIECE).is_some());
    }
}
