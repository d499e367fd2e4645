//! A pull over the wire, as the puller sees it: up to four blocks asked for, a bitmap of missing frames for each. Open-MX
//! asks for whole blocks again, and after a second; here it is only what is missing, after a multiple of the measured round
//! trip.

use core::ops::Range;
use core::time::Duration;

use arrayvec::ArrayVec;
use mx_ring::{Counter, Destination, PullOrder};
use mx_wire::{Ends, Format, Mode, Pull, PullFrames, PullReply, PullReplyError};

use super::block::Block;
use super::round_trip::WAIT_MAX;
use crate::time::Instant;

/// Blocks that may be asked for at a time.
const BLOCKS: usize = 4;
/// So long without any reply, and the pull is given up.
const GIVE_UP: Duration = Duration::from_secs(500);

/// Where a reply's payload belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    frame: u32,
    /// Bytes of the message.
    pub bytes: Range<u32>,
}

/// What an arrival means besides its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// What is worth counting.
    pub counter: Option<Counter>,
    /// How long the peer took to answer, where that can be told.
    pub round_trip: Option<Duration>,
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
    /// The window's owner.
    pub to: Destination,
    pub order: PullOrder,
    mode: Mode,
    frames: PullFrames,
    /// The first frame that no block covers yet.
    next_frame: u32,
    /// Outstanding blocks, oldest first.
    blocks: ArrayVec<Block, BLOCKS>,
    per_block: u8,
    received: u32,
    /// So long without any reply, and everything missing is asked for again. Doubled each time.
    wait: Duration,
    /// The same, before it was doubled.
    first_wait: Duration,
    retry_at: Instant,
    give_up_at: Instant,
}

impl WirePull {
    pub fn new(
        now: Instant,
        wait: Duration,
        format: &Format,
        to: Destination,
        order: PullOrder,
    ) -> Self {
        let mut pull = Self {
            to,
            order,
            mode: format.mode(),
            frames: PullFrames::new(format, order.window_offset, order.length),
            next_frame: 0,
            blocks: ArrayVec::new(),
            per_block: format.replies_per_block() as u8,
            received: 0,
            wait,
            first_wait: wait,
            retry_at: now + wait,
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
    pub fn is_complete(&self) -> bool {
        self.blocks.is_empty()
    }

    pub const fn retry_at(&self) -> Instant {
        self.retry_at
    }

    /// From now on the peer is expected to answer within this time.
    pub fn expect_within(&mut self, now: Instant, wait: Duration) {
        self.first_wait = wait;
        self.wait = wait;
        self.retry_at = now + wait;
    }

    /// Frames that requests and replies count although they lie before this pull. MX's field for the offset in the window
    /// holds small ones alone: there a piece further on starts at a later frame.
    const fn skipped(&self) -> u32 {
        match self.mode {
            Mode::Native => 0,
            Mode::MxWire => self.order.window_offset / self.frames.frame_length(),
        }
    }

    /// Covers more frames with blocks, as long as there are both; says how many blocks are new.
    fn refill(&mut self) -> u32 {
        let mut new = 0;
        while !self.blocks.is_full() && self.next_frame < self.frames.count() {
            let frames = u32::from(self.per_block).min(self.frames.count() - self.next_frame);
            self.blocks.push(Block::new(self.next_frame, frames));
            self.next_frame += frames;
            new += 1;
        }
        new
    }

    /// The next request to send, without the parts that the board stamps, and the frames that it asks for.
    /// [`Self::asked`] says that it was sent.
    pub fn next_request(&self, handle: u32, source: u8) -> Option<(Range<u32>, Pull)> {
        let run = self.blocks.iter().find_map(Block::next_run)?;
        let (first_frame_offset, block_length) = self.frames.block(run.clone())?;
        let order = &self.order;
        let skipped = self.skipped();
        let pull = Pull {
            ends: Ends {
                destination: self.to.endpoint,
                source,
            },
            session: self.to.session,
            total: order.length,
            window: order.window.into(),
            window_seqnum: order.window_seqnum,
            window_offset: order.window_offset - skipped * self.frames.frame_length(),
            handle,
            magic: Pull::MAGIC ^ u32::from(source),
            first_frame_offset,
            block_length,
            frame_index: skipped + run.start,
        };
        Some((run, pull))
    }

    /// The request for these frames was sent.
    pub fn asked(&mut self, now: Instant, frames: Range<u32>) {
        for block in &mut self.blocks {
            if block.bit(frames.start).is_some() {
                block.asked(now, &frames);
            }
        }
    }

    /// Whether a request is to be sent.
    pub fn wants_to_ask(&self) -> bool {
        self.blocks.iter().any(|block| block.wanted != 0)
    }

    /// Checks a reply. Nothing has changed until [`Self::arrived`].
    pub fn locate(&self, reply: &PullReply) -> Result<Arrival, Counter> {
        let start = self.blocks.first().map_or(0, |block| block.start);
        let skipped = self.skipped();
        let message_offset = reply
            .message_offset
            .checked_sub(skipped * self.frames.frame_length())
            .ok_or(Counter::DropPullReplyBadFrameSeqnumWrapAround)?;
        let reply = PullReply {
            message_offset,
            frame_seqnum: reply.frame_seqnum.wrapping_sub(skipped as u8),
            ..*reply
        };
        let frame =
            self.frames
                .locate(start..self.next_frame, &reply)
                .map_err(|error| match error {
                    PullReplyError::WrapAround => Counter::DropPullReplyBadFrameSeqnumWrapAround,
                    PullReplyError::FrameSeqnum => Counter::DropPullReplyBadFrameSeqnum,
                    PullReplyError::Extent => Counter::DropBadDataLength,
                })?;
        let missing = self
            .blocks
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

    /// The payload was copied to its place.
    pub fn arrived(&mut self, now: Instant, arrival: &Arrival) -> Arrived {
        self.wait = self.first_wait;
        self.retry_at = now + self.wait;
        self.give_up_at = now + GIVE_UP;
        let mut arrived = Arrived::default();
        let place = self.blocks.iter_mut().position(|block| {
            let Some(bit) = block.bit(arrival.frame) else {
                return false;
            };
            block.missing &= !bit;
            block.wanted &= !bit;
            arrived.round_trip = block.asked_at.take().map(|at| now - at);
            true
        });
        let Some(place) = place else {
            return arrived;
        };
        self.received += arrival.bytes.end - arrival.bytes.start;
        if self.blocks[place].missing != 0 {
            return arrived;
        }
        if place > 0 {
            self.completed_out_of_turn(place);
            arrived.counter = Some(Counter::PullNonFirstBlockDoneBeforeFirstOne);
            return arrived;
        }
        let popped = self
            .blocks
            .iter()
            .take_while(|block| block.missing == 0)
            .count();
        self.blocks.drain(..popped);
        if self.refill() > 1 {
            arrived.counter = Some(Counter::PullRequestForNotOnlyTheFirstBlockAtOnce);
        }
        arrived
    }

    /// A later block is complete while older ones are not: something of them was lost. Once per retry period each.
    fn completed_out_of_turn(&mut self, place: usize) {
        self.blocks[place].wanted = 0;
        for block in &mut self.blocks[..place] {
            if block.missing != 0 && !block.again {
                block.ask_again();
                block.again = true;
            }
        }
    }

    /// Looks at the clock.
    pub fn retry(&mut self, now: Instant) -> Retry {
        if now < self.retry_at {
            return Retry::NotDue;
        }
        if now >= self.give_up_at {
            return Retry::GivenUp;
        }
        self.wait = (self.wait * 2).min(WAIT_MAX);
        self.retry_at = now + self.wait;
        let mut others = 0;
        for block in &mut self.blocks {
            block.again = false;
            if block.missing != 0 {
                block.ask_again();
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
    const WAIT: Duration = Duration::from_millis(30);

    fn pull(format: &Format, length: u32, window_offset: u32) -> WirePull {
        let order = PullOrder {
            region: RegionKey::default(),
            offset: 0,
            length,
            window: 3,
            window_seqnum: 23,
            window_offset,
            cookie: 1,
            backend: 0,
        };
        let to = Destination {
            peer: 1,
            endpoint: 0,
            session: 2,
        };
        WirePull::new(START, WAIT, format, to, order)
    }

    fn requests(pull: &mut WirePull) -> Vec<Pull> {
        let mut all = Vec::new();
        while let Some((frames, request)) = pull.next_request(0x40_0023, 3) {
            pull.asked(START, frames);
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
        pull.arrived(START, &arrival).counter
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
            pull.retry(START + WAIT),
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
        // Every second, and the first few times sooner.
        assert!((499..510).contains(&retries), "{retries} times");
    }

    #[test]
    fn the_wait_doubles_until_an_answer_comes() {
        let format = format();
        let mut pull = pull(&format, 100_000, 0);
        let request = requests(&mut pull)[0];
        let mut waits = Vec::new();
        for milliseconds in 0..3000 {
            let now = START + Duration::from_millis(milliseconds);
            if pull.retry(now) != Retry::NotDue {
                waits.push(milliseconds);
            }
        }
        assert_eq!(waits, [30, 90, 210, 450, 930, 1890, 2890]);
        let arrival = pull.locate(&replies(&format, &request)[0]).unwrap();
        let now = START + Duration::from_secs(3);
        pull.arrived(now, &arrival);
        assert_eq!(pull.retry_at(), now + WAIT);
    }

    #[test]
    fn only_what_is_missing_is_asked_for_again() {
        let format = format();
        let mut pull = pull(&format, 2 * format.block_length(), 0);
        let first = requests(&mut pull);
        for (frame, reply) in replies(&format, &first[0]).iter().enumerate() {
            if ![3, 4, 17].contains(&frame) {
                feed(&mut pull, reply);
            }
        }
        for reply in &replies(&format, &first[1])[..30] {
            feed(&mut pull, reply);
        }
        assert!(matches!(pull.retry(START + WAIT), Retry::Asked { .. }));
        let again: Vec<_> = requests(&mut pull)
            .iter()
            .map(|r| (r.frame_index, r.block_length / 8968))
            .collect();
        assert_eq!(again, [(3, 2), (17, 1), (62, 2)]);
    }

    #[test]
    fn what_arrives_before_it_is_asked_for_again_is_not_asked_for() {
        let format = format();
        let mut pull = pull(&format, 100_000, 0);
        let request = requests(&mut pull)[0];
        let replies = replies(&format, &request);
        for reply in &replies[..10] {
            feed(&mut pull, reply);
        }
        assert!(matches!(pull.retry(START + WAIT), Retry::Asked { .. }));
        feed(&mut pull, &replies[10]);
        let again: Vec<_> = requests(&mut pull).iter().map(|r| r.frame_index).collect();
        assert_eq!(again, [11]);
    }

    #[test]
    fn a_round_trip_is_measured_where_one_request_was_answered() {
        let format = format();
        let mut pull = pull(&format, 2 * format.block_length(), 0);
        let first = requests(&mut pull);
        let at = |micros| START + Duration::from_micros(micros);
        let arrive = |pull: &mut WirePull, request: &Pull, place: usize, micros| {
            let arrival = pull.locate(&replies(&format, request)[place]).unwrap();
            pull.arrived(at(micros), &arrival).round_trip
        };
        let measured = arrive(&mut pull, &first[0], 0, 300);
        assert_eq!(measured, Some(Duration::from_micros(300)));
        assert_eq!(arrive(&mut pull, &first[0], 1, 301), None);
        pull.retry(at(0) + WAIT * 4);
        requests(&mut pull);
        assert_eq!(
            arrive(&mut pull, &first[1], 0, 500_000),
            None,
            "asked twice"
        );
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
