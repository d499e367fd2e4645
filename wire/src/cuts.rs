//! Which bytes the frames of a pull carry (wire.md §6.8, §6.9).
//!
//! A transfer is cut into frames of L bytes. The cuts are at multiples of L *in the sender's window*, so a message
//! that starts inside such a frame has a shorter frame 0; the later cuts are shifted against the message by as much.

use core::ops::Range;

use crate::{Format, Pull, PullReply};

/// Why a PULL cannot be served. Each cause names the counter of protocol.md §15 that it raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    /// More replies than one request may ask for ("Drop Pull Bad Number of Replies").
    #[error(
        "the pull asks for {replies} replies at once, {max} are allowed: \
         do both ends speak the same wire mode and MTU?"
    )]
    TooManyReplies {
        /// Replies asked for.
        replies: u64,
        /// Replies of a block at most.
        max: u32,
    },
    /// No byte, or bytes that no 32-bit message or window can have ("Drop Pull Bad Offset or Length").
    #[error("offset and length of the pull lie outside of any window")]
    OffsetOrLength,
}

/// The bytes that a PULL asks for, as the replier reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullBlock {
    frame: u32,
    first_frame_offset: u32,
    frame_index: u32,
    message_offset: u32,
    window_offset: u32,
    length: u32,
}

/// One reply to a PULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockReply {
    /// [`PullReply::frame_seqnum`].
    pub frame_seqnum: u8,
    /// [`PullReply::length`].
    pub length: u16,
    /// [`PullReply::message_offset`].
    pub message_offset: u32,
    /// Where the payload is in the window.
    pub window_offset: u32,
}

impl PullBlock {
    /// Checks a PULL as far as that is possible without its window: whether [`Self::window`] lies in it remains to
    /// be checked.
    pub fn new(format: &Format, pull: &Pull) -> Result<Self, PullError> {
        let frame = u32::from(format.pull_reply());
        let replies = (u64::from(pull.first_frame_offset) + u64::from(pull.block_length))
            .div_ceil(u64::from(frame));
        let max = format.replies_per_block();
        if replies > u64::from(max) {
            return Err(PullError::TooManyReplies { replies, max });
        }
        if pull.block_length == 0 || pull.first_frame_offset >= frame {
            return Err(PullError::OffsetOrLength);
        }
        let skew = u64::from(pull.window_offset % frame);
        let message_offset = (u64::from(pull.frame_index) * u64::from(frame)
            + u64::from(pull.first_frame_offset))
        .checked_sub(skew)
        .and_then(|offset| u32::try_from(offset).ok())
        .ok_or(PullError::OffsetOrLength)?;
        let window_offset = message_offset
            .checked_add(pull.window_offset)
            .filter(|offset| offset.checked_add(pull.block_length).is_some())
            .ok_or(PullError::OffsetOrLength)?;
        Ok(Self {
            frame,
            first_frame_offset: pull.first_frame_offset,
            frame_index: pull.frame_index,
            message_offset,
            window_offset,
            length: pull.block_length,
        })
    }

    /// The bytes of the window that are asked for; at least one.
    pub fn window(&self) -> Range<u32> {
        self.window_offset..self.window_offset + self.length
    }

    /// How many replies are asked for; at least one.
    pub fn replies(&self) -> u32 {
        (self.first_frame_offset + self.length).div_ceil(self.frame)
    }

    /// The reply of that place in the block, `None` beyond the last.
    pub fn reply(&self, place: u32) -> Option<BlockReply> {
        if place >= self.replies() {
            return None;
        }
        let end = ((place + 1) * self.frame - self.first_frame_offset).min(self.length);
        let start = (place * self.frame).saturating_sub(self.first_frame_offset);
        Some(BlockReply {
            frame_seqnum: self.frame_index.wrapping_add(place) as u8,
            // At most L.
            length: (end - start) as u16,
            message_offset: self.message_offset + start,
            window_offset: self.window_offset + start,
        })
    }
}

/// Why a PULL_REPLY does not fit into its transfer. Each cause names the counter of protocol.md §15 that it raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PullReplyError {
    /// Its offset belongs to another frame than its number ("Drop Pull Reply Bad Frame SeqNum WrapAround").
    #[error("frame number and message offset of the reply contradict each other")]
    WrapAround,
    /// Its frame is not asked for now ("Drop Pull Reply Bad Frame SeqNum").
    #[error("the reply's frame is not asked for now")]
    FrameSeqnum,
    /// It does not carry exactly the bytes of its frame ("Drop Bad Data Length").
    #[error("the reply does not carry the bytes of its frame: do both ends use the same MTU?")]
    Extent,
}

/// A transfer cut into frames, as the puller counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullFrames {
    frame: u32,
    skew: u32,
    total: u32,
}

impl PullFrames {
    /// A transfer of `total` bytes that start at `window_offset` of the sender's window.
    pub fn new(format: &Format, window_offset: u32, total: u32) -> Self {
        let frame = u32::from(format.pull_reply());
        Self {
            frame,
            skew: window_offset % frame,
            total,
        }
    }

    /// Bytes of a frame: L.
    pub const fn frame_length(&self) -> u32 {
        self.frame
    }

    /// How many frames it takes; none for an empty transfer.
    pub fn count(&self) -> u32 {
        if self.total == 0 {
            return 0;
        }
        // Far below 2^32, since a frame has more than two bytes.
        (u64::from(self.skew) + u64::from(self.total)).div_ceil(u64::from(self.frame)) as u32
    }

    /// The bytes of the message that a frame carries, `None` beyond the last.
    pub fn frame(&self, index: u32) -> Option<Range<u32>> {
        if index >= self.count() {
            return None;
        }
        let [frame, skew] = [self.frame, self.skew].map(u64::from);
        let start = (u64::from(index) * frame).saturating_sub(skew);
        let end = ((u64::from(index) + 1) * frame - skew).min(u64::from(self.total));
        // Both are at most `total`.
        Some(start as u32..end as u32)
    }

    /// [`Pull::first_frame_offset`] and [`Pull::block_length`] of a request for these frames, at most
    /// [`Format::replies_per_block`]. `None` if there are no such frames.
    pub fn block(&self, frames: Range<u32>) -> Option<(u32, u32)> {
        let last = self.frame(frames.end.checked_sub(1)?)?;
        let first = self.frame(frames.start)?;
        let first_frame_offset = if frames.start == 0 { self.skew } else { 0 };
        let length = last
            .end
            .checked_sub(first.start)
            .filter(|&bytes| bytes > 0)?;
        Some((first_frame_offset, length))
    }

    /// Which of the frames asked for a reply carries, if it carries all of that frame and nothing else. `asked`
    /// starts at the first frame that is still missing.
    pub fn locate(&self, asked: Range<u32>, reply: &PullReply) -> Result<u32, PullReplyError> {
        let delta = reply.frame_seqnum.wrapping_sub(asked.start as u8);
        let index = asked
            .start
            .checked_add(u32::from(delta))
            .filter(|&index| reply.message_offset.div_ceil(self.frame) == index)
            .ok_or(PullReplyError::WrapAround)?;
        if index >= asked.end {
            return Err(PullReplyError::FrameSeqnum);
        }
        let bytes = self.frame(index).ok_or(PullReplyError::FrameSeqnum)?;
        if bytes.start != reply.message_offset || bytes.end - bytes.start != u32::from(reply.length)
        {
            return Err(PullReplyError::Extent);
        }
        Ok(index)
    }
}
