//! The ring of frames to the wire: a slot of driver memory for the head of each, and the rest by scatter-gather.
//!
//! The card works through the ring in order, so frames leave in order, and a report on one says that all before it
//! are done. A report is asked for once per burst, and every [`REPORT_INTERVAL`] frames of a long one: one
//! write of the card for many frames.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::descriptor::{DESCRIPTOR_SIZE, Ring};
use crate::dma::{DmaMemory, PAGE_SIZE};
use crate::{Fragment, MIN_FRAME, Platform, Token, TransmitError, frame_length};

/// Most fragments of a frame: one descriptor each. The 82599 would take 39 (§7.2.1.1), the 82576 more.
pub const MAX_FRAGMENTS: usize = 7;
/// Most bytes of a frame's head: a slot.
pub const MAX_HEAD: usize = 2048;

/// Frames in flight at most, and descriptors for them.
pub(super) const FRAMES: u16 = 256;
const DESCRIPTORS: u16 = 1024;
/// Frames after which a report is asked for within a burst.
const REPORT_INTERVAL: u16 = 32;

/// A frame in flight.
#[derive(Clone, Copy, Default)]
struct Frame {
    token: Token,
    descriptors: u16,
}

/// Frames are counted from 0 and never renumbered; frame `n` has slot `n % FRAMES`.
pub(super) struct TransmitRing {
    pub(super) ring: Ring,
    slots: DmaMemory,
    max_frame: usize,
    frames: Vec<Frame>,
    /// The oldest frame whose token was not handed back.
    first: u64,
    /// The first frame that the card may still have.
    sent: u64,
    /// Number of the next frame, counted from the start of the ring.
    next: u64,
    /// The next descriptor, and how many can be used: one less than there are, since a full ring looks like an empty one.
    tail: u16,
    free: u16,
    /// The last descriptor of the newest frame, while no report was asked for.
    unreported: Option<u16>,
    since_report: u16,
    /// Reports asked for: the frame behind, and the descriptor.
    reports: VecDeque<(u64, u16)>,
    /// Descriptors that the card does not know of.
    unpublished: bool,
}

impl TransmitRing {
    /// An empty ring for frames of up to `max_frame` bytes; `None` without memory.
    pub(super) fn new(platform: &impl Platform, max_frame: usize) -> Option<Self> {
        let pages = |bytes: usize| bytes.div_ceil(PAGE_SIZE);
        let ring = platform.allocate(pages(usize::from(DESCRIPTORS) * DESCRIPTOR_SIZE))?;
        Some(Self {
            ring: Ring::new(ring, DESCRIPTORS),
            slots: platform.allocate(pages(usize::from(FRAMES) * MAX_HEAD))?,
            max_frame,
            frames: alloc::vec![Frame::default(); FRAMES.into()],
            first: 0,
            sent: 0,
            next: 0,
            tail: 0,
            free: DESCRIPTORS - 1,
            unreported: None,
            since_report: 0,
            reports: VecDeque::with_capacity(FRAMES.into()),
            unpublished: false,
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
        let descriptors = fragments.len() as u16 + u16::from(head_len > 0);
        if self.next - self.first >= u64::from(FRAMES) || descriptors > self.free {
            return Err(TransmitError::Full);
        }
        let slot = (self.next % u64::from(FRAMES)) as usize;
        let mut at = slot * MAX_HEAD;
        let copied = Fragment {
            bus: self.slots.bus(at),
            len: head_len as u32,
        };
        for piece in head {
            self.slots.write(at, piece);
            at += piece.len();
        }
        let mut left = descriptors;
        let pieces = core::iter::once(&copied).filter(|_| head_len > 0);
        for piece in pieces.chain(fragments) {
            left -= 1;
            let last = left == 0;
            // Below 64 KiB, since a frame is.
            let piece_len = piece.len as u16;
            self.ring.send(self.tail, piece.bus, piece_len, len, last);
            if last {
                self.unreported = Some(self.tail);
            }
            self.tail = self.ring.after(self.tail);
        }
        self.free -= descriptors;
        self.frames[slot] = Frame { token, descriptors };
        self.next += 1;
        self.unpublished = true;
        self.since_report += 1;
        if self.since_report >= REPORT_INTERVAL {
            self.ask_report();
        }
        Ok(len)
    }

    fn ask_report(&mut self) {
        if let Some(last) = self.unreported.take() {
            self.ring.ask_report(last);
            self.reports.push_back((self.next, last));
            self.since_report = 0;
        }
    }

    /// Makes the frames ready for the card; the tail to write, if there are new ones.
    pub(super) fn publish(&mut self) -> Option<u16> {
        if !core::mem::take(&mut self.unpublished) {
            return None;
        }
        self.ask_report();
        Some(self.tail)
    }

    /// Looks at the reports that are due.
    fn look(&mut self) {
        while let Some(&(behind, descriptor)) = self.reports.front() {
            if !self.ring.is_sent(descriptor) {
                break;
            }
            self.reports.pop_front();
            self.sent_until(behind);
        }
    }

    fn sent_until(&mut self, behind: u64) {
        while self.sent < behind {
            let slot = (self.sent % u64::from(FRAMES)) as usize;
            self.free += self.frames[slot].descriptors;
            self.sent += 1;
        }
    }

    /// Takes back frames that the card has sent.
    pub(super) fn completed(&mut self, tokens: &mut [Token]) -> usize {
        self.look();
        self.hand_back(tokens)
    }

    /// Takes back frames without looking at the ring.
    pub(super) fn hand_back(&mut self, tokens: &mut [Token]) -> usize {
        let mut count = 0;
        for place in tokens {
            if self.first == self.sent {
                break;
            }
            *place = self.frames[(self.first % u64::from(FRAMES)) as usize].token;
            self.first += 1;
            count += 1;
        }
        count
    }

    /// The card was reset and has no frame any more: all come back, and the ring begins anew.
    pub(super) fn reset(&mut self) {
        self.sent = self.next;
        self.tail = 0;
        self.free = DESCRIPTORS - 1;
        self.unreported = None;
        self.since_report = 0;
        self.reports.clear();
        self.unpublished = false;
    }

    /// Whether no token is out.
    pub(super) const fn is_idle(&self) -> bool {
        self.first == self.next
    }

    /// Whether a completed frame can be taken back.
    pub(super) fn has_completed(&mut self) -> bool {
        self.look();
        self.first < self.sent
    }

    /// The oldest frame that was published and that the card still has.
    pub(super) fn oldest(&mut self) -> Option<u64> {
        self.look();
        (!self.reports.is_empty()).then_some(self.sent)
    }

    /// Keeps all memory for ever: the card could not be stopped.
    pub(super) const fn leak(&mut self) {
        self.ring.leak();
        self.slots.leak();
    }
}
