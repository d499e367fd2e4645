//! A pull over the wire, as the puller sees it: up to four blocks asked for, a bitmap of missing frames for each.

use core::ops::Range;
use core::time::Duration;

use mx_ring::Counter;
use mx_wire::{Ends, Format, Pull, PullFrames, PullReply, PullReplyError};

use super::PullOrder;
use crate::time::Instant;

/// Blocks that may be asked for at a time.
const BLOCKS: usize = 4;
/// So long without any reply, and everything missing is asked for again.
const RETRY: Duration = Duration::from_secs(1);
/// So long after its start, and the pull is given up.
const GIVE_UP: Duration = Duration::from_secs(500);

/// Consecutive frames that one request asks for.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    start: u32,
    frames: u8,
    /// A bit per frame. Zero: the block is complete.
    missing: u64,
    /// A request is to be sent.
    wanted: bool,
    /// It was asked for early, for the second time within a retry period.
    again: bool,
}

impl Block {
    fn new(start: u32, frames: u32) -> Self {
        Self {
            start,
            frames: frames as u8,
            missing: u64::MAX.checked_shr(64 - frames).unwrap_or(0),
            wanted: true,
            again: false,
        }
    }

    const fn end(&self) -> u32 {
        self.start + self.frames as u32
    }

    fn bit(&self, frame: u32) -> Option<u64> {
        (self.start..self.end())
            .contains(&frame)
            .then(|| 1 << (frame - self.start))
    }

    fn ask_again(&mut self) {
        self.wanted = true;
        self.again = true;
    }
}

/// Where a reply's payload belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    frame: u32,
    /// Bytes of the message.
    pub bytes: Range<u32>,
}

/// What the retry timer found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    NotDue,
    /// Everything missing is asked for again.
    Asked {
        first: bool,
        others: u8,
    },
    GivenUp,
}

/// A pull over the wire.
#[derive(Debug)]
pub(crate) struct WirePull {
    pub order: PullOrder,
    frames: PullFrames,
    /// The first frame that no block covers yet.
    next_frame: u32,
    /// Outstanding blocks, oldest first; `live` of them.
    blocks: [Block; BLOCKS],
    live: usize,
    per_block: u32,
    received: u32,
    retry_at: Instant,
    give_up_at: Instant,
}

impl WirePull {
    pub fn new(now: Instant, format: &Format, order: PullOrder) -> Self {
        let mut pull = Self {
            order,
            frames: PullFrames::new(format, order.window_offset.into(), order.length),
            next_frame: 0,
            blocks: [Block::default(); BLOCKS],
            live: 0,
            per_block: format.replies_per_block(),
            received: 0,
            retry_at: now + RETRY,
            give_up_at: now + GIVE_UP,
        };
        pull.refill();
        pull
    }

    /// Bytes that arrived.
    pub const fn received(&self) -> u32 {
        self.received
    }

    /// Whether every byte has arrived.
    pub const fn is_complete(&self) -> bool {
        self.live == 0
    }

    pub const fn retry_at(&self) -> Instant {
        self.retry_at
    }

    fn live(&self) -> &[Block] {
        &self.blocks[..self.live]
    }

    fn live_mut(&mut self) -> &mut [Block] {
        &mut self.blocks[..self.live]
    }

    /// Covers more frames with blocks, as long as there are both; says how many blocks are new.
    fn refill(&mut self) -> u32 {
        let mut new = 0;
        while self.live < BLOCKS && self.next_frame < self.frames.count() {
            let frames = self.per_block.min(self.frames.count() - self.next_frame);
            self.blocks[self.live] = Block::new(self.next_frame, frames);
            self.live += 1;
            self.next_frame += frames;
            new += 1;
        }
        new
    }

    /// The next request to send, without the parts that the board stamps. [`Self::asked`] says that it was sent.
    pub fn next_request(&self, handle: u32, source: u8) -> Option<(u32, Pull)> {
        let block = self.live().iter().find(|block| block.wanted)?;
        let (first_frame_offset, block_length) = self.frames.block(block.start..block.end())?;
        let order = &self.order;
        let pull = Pull {
            ends: Ends {
                destination: order.endpoint,
                source,
            },
            session: order.session,
            total: order.length,
            window: order.window.into(),
            window_seqnum: order.window_seqnum,
            window_offset: order.window_offset.into(),
            handle,
            magic: Pull::MAGIC ^ u32::from(source),
            first_frame_offset,
            block_length,
            frame_index: block.start,
        };
        Some((block.start, pull))
    }

    /// The request of the block that starts at that frame was sent.
    pub fn asked(&mut self, start: u32) {
        for block in self.live_mut() {
            if block.start == start {
                block.wanted = false;
            }
        }
    }

    /// Whether a request is to be sent.
    pub fn wants_to_ask(&self) -> bool {
        self.live().iter().any(|block| block.wanted)
    }

    /// Checks a reply. Nothing has changed until [`Self::arrived`].
    pub fn locate(&self, reply: &PullReply) -> Result<Arrival, Counter> {
        let start = self.live().first().map_or(0, |block| block.start);
        let frame =
            self.frames
                .locate(start..self.next_frame, reply)
                .map_err(|error| match error {
                    PullReplyError::WrapAround => Counter::DropPullReplyBadFrameSeqnumWrapAround,
                    PullReplyError::FrameSeqnum => Counter::DropPullReplyBadFrameSeqnum,
                    PullReplyError::Extent => Counter::DropBadDataLength,
                })?;
        let missing = self
            .live()
            .iter()
            .find_map(|block| Some(block.missing & block.bit(frame)? != 0));
        if missing != Some(true) {
            return Err(Counter::DropPullReplyDuplicate);
        }
        let bytes = self
            .frames
            .frame(frame)
            .ok_or(Counter::DropPullReplyBadFrameSeqnum)?;
        Ok(Arrival { frame, bytes })
    }

    /// The payload was copied to its place. Says what is worth counting.
    pub fn arrived(&mut self, now: Instant, arrival: &Arrival) -> Option<Counter> {
        self.retry_at = now + RETRY;
        let place = self.live_mut().iter_mut().position(|block| {
            let Some(bit) = block.bit(arrival.frame) else {
                return false;
            };
            block.missing &= !bit;
            true
        })?;
        self.received += arrival.bytes.end - arrival.bytes.start;
        if self.blocks[place].missing != 0 {
            return None;
        }
        if place > 0 {
            return self.completed_out_of_turn(place);
        }
        let popped = self
            .live()
            .iter()
            .take_while(|block| block.missing == 0)
            .count();
        self.blocks.copy_within(popped..self.live, 0);
        self.live -= popped;
        (self.refill() > 1).then_some(Counter::PullRequestForNotOnlyTheFirstBlockAtOnce)
    }

    /// A later block is complete while older ones are not: something of them was lost. Once per retry period each.
    fn completed_out_of_turn(&mut self, place: usize) -> Option<Counter> {
        self.blocks[place].wanted = false;
        for block in &mut self.blocks[..place] {
            if block.missing != 0 && !block.again {
                block.ask_again();
            }
        }
        Some(Counter::PullNonFirstBlockDoneBeforeFirstOne)
    }

    /// Looks at the clock.
    pub fn retry(&mut self, now: Instant) -> Retry {
        if now < self.retry_at {
            return Retry::NotDue;
        }
        if now >= self.give_up_at {
            return Retry::GivenUp;
        }
        self.retry_at = now + RETRY;
        let mut others = 0;
        for block in self.live_mut() {
            block.again = false;
            if block.missing != 0 {
                block.wanted = true;
                others += 1;
            }
        }
        // The oldest block is never complete, it would have been popped.
        Retry::Asked {
            first: others > 0,
            others: u8::saturating_sub(others, 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use mx_ring::RegionKey;

    use super::*;

    const START: Instant = Instant::from_nanos(7);

    fn pull(format: &Format, length: u32, window_offset: u16) -> WirePull {
        let order = PullOrder {
            cookie: 1,
            peer: 1,
            endpoint: 0,
            session: 2,
            window: 3,
            window_seqnum: 23,
            window_offset,
            region: RegionKey::default(),
            region_offset: 0,
            length,
        };
        WirePull::new(START, format, order)
    }

    fn requests(pull: &mut WirePull) -> Vec<Pull> {
        let mut all = Vec::new();
        while let Some((start, request)) = pull.next_request(0x40_0023, 3) {
            pull.asked(start);
            all.push(request);
        }
        all
    }

    fn replies(format: &Format, request: &Pull) -> Vec<PullReply> {
        let block = mx_wire::PullBlock::new(format, request).unwrap();
        (0..block.replies())
            .map(|place| {
                let reply = block.reply(place).unwrap();
                PullReply {
                    frame_seqnum: reply.frame_seqnum,
                    length: reply.length,
                    message_offset: reply.message_offset,
                    handle: request.handle,
                    magic: request.magic,
                }
            })
            .collect()
    }

    fn feed(pull: &mut WirePull, reply: &PullReply) -> Option<Counter> {
        let arrival = pull.locate(reply).unwrap();
        pull.arrived(START, &arrival)
    }

    fn format() -> Format {
        Format::native(9000).unwrap()
    }

    #[test]
    fn four_blocks_are_asked_for_at_once_and_one_more_for_each_that_completes() {
        let format = format();
        let mut pull = pull(&format, 4 << 20, 0);
        let first = requests(&mut pull);
        assert_eq!(first.len(), 4);
        assert_eq!(first[1].frame_index, 32);
        assert_eq!(first[0].block_length, format.block_length());
        for reply in replies(&format, &first[0]) {
            feed(&mut pull, &reply);
        }
        let next = requests(&mut pull);
        assert_eq!(
            next.iter().map(|r| r.frame_index).collect::<Vec<_>>(),
            [128]
        );
        assert_eq!(pull.received(), format.block_length());
    }

    #[test]
    fn a_later_block_that_completes_first_has_the_older_ones_asked_for_again_once() {
        let format = format();
        let mut pull = pull(&format, 4 << 20, 0);
        let first = requests(&mut pull);
        for reply in replies(&format, &first[2]) {
            feed(&mut pull, &reply);
        }
        let again = requests(&mut pull);
        assert_eq!(
            again.iter().map(|r| r.frame_index).collect::<Vec<_>>(),
            [0, 32]
        );
        for reply in replies(&format, &first[3]) {
            feed(&mut pull, &reply);
        }
        assert!(requests(&mut pull).is_empty());
        assert_eq!(
            pull.retry(START + RETRY),
            Retry::Asked {
                first: true,
                others: 1
            }
        );
        assert_eq!(requests(&mut pull).len(), 2);
    }

    #[test]
    fn several_complete_blocks_are_replaced_at_once() {
        let format = format();
        let mut pull = pull(&format, 4 << 20, 0);
        let first = requests(&mut pull);
        for reply in replies(&format, &first[1]) {
            feed(&mut pull, &reply);
        }
        let mut counted = None;
        for reply in replies(&format, &first[0]) {
            counted = feed(&mut pull, &reply);
        }
        assert_eq!(
            counted,
            Some(Counter::PullRequestForNotOnlyTheFirstBlockAtOnce)
        );
        let next: Vec<_> = requests(&mut pull).iter().map(|r| r.frame_index).collect();
        assert_eq!(next, [128, 160]);
    }

    #[test]
    fn a_reply_counts_once_and_only_with_the_bytes_of_its_frame() {
        let format = format();
        let mut pull = pull(&format, 100_000, 0);
        let request = requests(&mut pull)[0];
        let reply = replies(&format, &request)[3];
        let short = PullReply {
            length: reply.length - 1,
            ..reply
        };
        assert_eq!(pull.locate(&short), Err(Counter::DropBadDataLength));
        feed(&mut pull, &reply);
        assert_eq!(pull.locate(&reply), Err(Counter::DropPullReplyDuplicate));
    }

    #[test]
    fn a_pull_without_replies_is_given_up_after_500_seconds() {
        let format = format();
        let mut pull = pull(&format, 1000, 0);
        let mut now = START;
        let mut retries = 0;
        loop {
            now = now + Duration::from_millis(100);
            match pull.retry(now) {
                Retry::NotDue => {}
                Retry::Asked { .. } => retries += 1,
                Retry::GivenUp => break,
            }
        }
        assert_eq!((now - START).as_secs(), 500);
        assert_eq!(retries, 499);
    }

    #[test]
    fn every_format_length_and_offset_completes_with_all_bytes_in_any_order_of_replies() {
        let formats = [
            Format::native(1500).unwrap(),
            Format::native(9000).unwrap(),
            Format::mx_wire(),
        ];
        for format in formats {
            for length in [1, 1467, 1468, 1469, 4096, 46_976, 300_001, 1 << 20] {
                for offset in [0, 1, 1467, 5000] {
                    let mut pull = pull(&format, length, offset);
                    let mut waiting: Vec<PullReply> = Vec::new();
                    while !pull.is_complete() {
                        for request in requests(&mut pull) {
                            waiting.extend(replies(&format, &request));
                        }
                        // The latest first: the worst order.
                        let reply = waiting.pop().expect("frames are missing, so replies wait");
                        if let Ok(arrival) = pull.locate(&reply) {
                            pull.arrived(START, &arrival);
                        }
                    }
                    assert_eq!(pull.received(), length);
                }
            }
        }
    }
}
