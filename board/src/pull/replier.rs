//! Answering pulls: which blocks of which windows an endpoint still has to send.

use alloc::collections::VecDeque;

use arrayvec::ArrayVec;
use mx_ring::{RegionKey, Window};
use mx_wire::PullBlock;

/// Blocks that an endpoint has promised at most. A PULL of 60 bytes asks for up to 288 KB, so there is a limit
/// (interfaces.md §1).
const JOBS: usize = 64;
/// Of them for one transfer: the four that a puller asks for at once, and the pieces of which it misses some again.
const JOBS_PER_TRANSFER: usize = 16;

/// One peer's pull of one window: the blocks of it that are still to be sent, in the order in which they were asked for.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    pub peer: u16,
    pub handle: u32,
    pub magic: u32,
    pub window_id: u8,
    /// As it was when the pull came. A window that has changed since is no longer served.
    pub window: Window,
    blocks: ArrayVec<PullBlock, JOBS_PER_TRANSFER>,
    /// Replies of the first block that are sent.
    sent: u32,
}

impl Transfer {
    pub const fn new(peer: u16, handle: u32, magic: u32, window_id: u8, window: Window) -> Self {
        Self {
            peer,
            handle,
            magic,
            window_id,
            window,
            blocks: ArrayVec::new_const(),
            sent: 0,
        }
    }

    fn same_as(&self, other: &Self) -> bool {
        self.peer == other.peer
            && self.handle == other.handle
            && self.magic == other.magic
            && self.window_id == other.window_id
            && self.window == other.window
    }

    /// The reply to send next.
    pub fn next_reply(&self) -> Option<mx_wire::BlockReply> {
        self.blocks.first()?.reply(self.sent)
    }

    /// That reply was sent.
    pub fn reply_sent(&mut self) {
        self.sent += 1;
        if self
            .blocks
            .first()
            .is_some_and(|block| self.sent >= block.replies())
        {
            self.blocks.remove(0);
            self.sent = 0;
        }
    }
}

/// All transfers of an endpoint, served in turn.
#[derive(Debug, Default)]
pub(crate) struct ReplyJobs {
    transfers: VecDeque<Transfer>,
    blocks: usize,
}

impl ReplyJobs {
    /// Promises a block. One that is promised already, or one too many, is dropped: the puller asks again.
    pub fn add(&mut self, transfer: Transfer, block: PullBlock) {
        if self.blocks >= JOBS {
            return;
        }
        if let Some(known) = self.transfers.iter_mut().find(|t| t.same_as(&transfer)) {
            if !known.blocks.contains(&block) && known.blocks.try_push(block).is_ok() {
                self.blocks += 1;
            }
            return;
        }
        let mut transfer = transfer;
        transfer.blocks.push(block);
        self.transfers.push_back(transfer);
        self.blocks += 1;
    }

    /// Takes the transfer whose turn it is. It is given back by [`Self::put_back`], or dropped.
    pub fn take_next(&mut self) -> Option<Transfer> {
        let transfer = self.transfers.pop_front()?;
        self.blocks -= transfer.blocks.len();
        Some(transfer)
    }

    /// Gives a transfer back: to the end of the line, or to its front when it could not be served for want of room.
    pub fn put_back(&mut self, transfer: Transfer, first: bool) {
        if transfer.blocks.is_empty() {
            return;
        }
        self.blocks += transfer.blocks.len();
        if first {
            self.transfers.push_front(transfer);
        } else {
            self.transfers.push_back(transfer);
        }
    }

    /// Nothing of this region is to be sent any more.
    pub fn forget_region(&mut self, region: RegionKey) {
        self.transfers.retain(|t| t.window.region != region);
        self.blocks = self.transfers.iter().map(|t| t.blocks.len()).sum();
    }

    pub fn is_empty(&self) -> bool {
        self.transfers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use mx_wire::{Ends, Format, Pull};

    use super::*;

    fn window() -> Window {
        Window {
            region: RegionKey::default(),
            seqnum: 23,
            offset: 0,
            length: 1 << 20,
        }
    }

    fn block(frame_index: u32) -> PullBlock {
        let format = Format::native(9000).unwrap();
        let pull = Pull {
            ends: Ends {
                destination: 0,
                source: 0,
            },
            session: 0,
            total: 1 << 20,
            window: 0,
            window_seqnum: 23,
            window_offset: 0,
            handle: 0,
            magic: 0,
            first_frame_offset: 0,
            block_length: 3 * 8968,
            frame_index,
        };
        PullBlock::new(&format, &pull).unwrap()
    }

    fn transfer(handle: u32) -> Transfer {
        Transfer::new(1, handle, 0, 0, window())
    }

    #[test]
    fn a_block_asked_for_twice_is_sent_once() {
        let mut jobs = ReplyJobs::default();
        jobs.add(transfer(1), block(0));
        jobs.add(transfer(1), block(0));
        let mut taken = jobs.take_next().unwrap();
        let mut sent = 0;
        while taken.next_reply().is_some() {
            taken.reply_sent();
            sent += 1;
        }
        assert_eq!(sent, 3);
        jobs.put_back(taken, false);
        assert!(jobs.is_empty());
    }

    #[test]
    fn no_more_than_64_blocks_are_promised() {
        let mut jobs = ReplyJobs::default();
        for handle in 0..200 {
            jobs.add(transfer(handle), block(0));
        }
        assert_eq!(jobs.transfers.len(), JOBS);
        let taken = jobs.take_next().unwrap();
        jobs.put_back(taken, true);
        assert_eq!(jobs.blocks, JOBS);
    }

    #[test]
    fn transfers_take_turns_and_the_blocks_of_one_stay_in_order() {
        let mut jobs = ReplyJobs::default();
        jobs.add(transfer(1), block(0));
        jobs.add(transfer(1), block(32));
        jobs.add(transfer(2), block(0));
        let first = jobs.take_next().unwrap();
        assert_eq!(first.handle, 1);
        assert_eq!(first.next_reply().unwrap().frame_seqnum, 0);
        jobs.put_back(first, false);
        let second = jobs.take_next().unwrap();
        assert_eq!(second.handle, 2);
        jobs.put_back(second, false);
        assert_eq!(jobs.take_next().unwrap().handle, 1);
    }

    #[test]
    fn a_region_that_goes_takes_its_transfers_along() {
        let mut jobs = ReplyJobs::default();
        jobs.add(transfer(1), block(0));
        jobs.forget_region(RegionKey {
            slot: 0,
            generation: 1,
        });
        assert!(!jobs.is_empty());
        jobs.forget_region(RegionKey::default());
        assert!(jobs.is_empty());
        assert_eq!(jobs.blocks, 0);
    }
}
