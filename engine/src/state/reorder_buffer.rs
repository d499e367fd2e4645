//! Messages that came before their turn, copied away until it comes.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use mx_wire::Content;

use crate::state::sequence::Sequence;

/// How many numbers after the next one a message is still kept (protocol.md §5).
pub const REORDER_REACH: u16 = 255;

/// An event that came too early, with its own copy of the payload.
#[derive(Debug)]
pub struct EarlyMessage {
    /// The number of the message.
    pub seq: Sequence,
    /// What it is.
    pub content: Content,
    /// The bytes that the frame brought along.
    pub data: Vec<u8>,
}

/// A partner's messages that came before their turn, by sequence and fragment.
#[derive(Debug, Default)]
pub struct ReorderBuffer {
    queue: VecDeque<EarlyMessage>,
}

impl ReorderBuffer {
    /// Where a message belongs, or `None` when it is there already. `base` is the number matched next.
    pub fn place(&self, base: Sequence, seq: Sequence, content: &Content) -> Option<usize> {
        let order = (seq.since(base), fragment(content));
        for (at, early) in self.queue.iter().enumerate().rev() {
            let other = (early.seq.since(base), fragment(&early.content));
            if other == order {
                return None;
            }
            if other < order {
                return Some(at + 1);
            }
        }
        Some(0)
    }

    /// Puts a message where [`Self::place`] said.
    pub fn insert(&mut self, place: usize, early: EarlyMessage) {
        self.queue.insert(place, early);
    }

    /// Takes the first message, if its turn has come (it is at most `reach` numbers after `base`) or is over (the
    /// same message came again meanwhile).
    #[inline]
    pub fn take_due(&mut self, base: Sequence, reach: u16) -> Option<EarlyMessage> {
        let distance = self.queue.front()?.seq.since(base);
        if distance <= reach || distance > REORDER_REACH * 2 {
            self.queue.pop_front()
        } else {
            None
        }
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Forgets all; the bytes that were kept.
    pub fn clear(&mut self) -> usize {
        self.queue.drain(..).map(|early| early.data.len()).sum()
    }
}

/// Number of the fragment; 0 for what has none.
#[inline]
fn fragment(content: &Content) -> u8 {
    match content {
        Content::Medium(medium) => medium.fragment,
        _ => 0,
    }
}
