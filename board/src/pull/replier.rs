//! Answering pulls: which blocks of which windows an endpoint still has to send.

use alloc::collections::VecDeque;
use core::time::Duration;

use arrayvec::ArrayVec;
use mx_ring::Window;
use mx_wire::PullBlock;

use super::backoff::Backoff;
use crate::time::Instant;

/// So long after its puller has asked last, a transfer is dropped: the puller has given up.
pub(crate) const GIVEN_UP: Duration = Duration::from_secs(500);
/// Blocks that an endpoint has promised at most. A PULL of 60 bytes asks for up to 288 KB, so there is a limit
/// (interfaces.md §1).
const JOBS: usize = 64;
/// A peer may have so many times as many of them as are free: one alone has four fifths, and another finds room beside it.
const TIMES: usize = 4;
/// Of them for one transfer: the four that a puller asks for at once, and the pieces of which it misses some again.
const JOBS_PER_TRANSFER: usize = 16;
/// Transfers of all endpoints of a board: each takes about half a KiB of the backend's memory.
pub(crate) const TRANSFERS: usize = 64;
/// Room for transfers that an endpoint keeps when it has none.
const KEPT_ROOM: usize = 8;

/// One peer's pull of one window: the blocks of it that are still to be sent, in the order in which they were asked for.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    pub peer: u16,
    pub handle: u32,
    pub magic: u32,
    pub window_id: u8,
    /// Use of the window and length of its message when the pull came. A window that was bound anew since is no longer
    /// served; one that moved is.
    seqnum: u8,
    length: u32,
    blocks: ArrayVec<PullBlock, JOBS_PER_TRANSFER>,
    /// Replies of the first block that are sent.
    sent: u32,
    /// The window as it was when its process was told that the next reply is wanted.
    pub window_told: Option<Window>,
    backoff: Backoff,
    /// When the window is looked at again.
    look_at: Instant,
    /// When its puller has asked last.
    asked_at: Instant,
}

impl Transfer {
    pub const fn new(
        now: Instant,
        peer: u16,
        (handle, magic): (u32, u32),
        window_id: u8,
        window: &Window,
    ) -> Self {
        Self {
            peer,
            handle,
            magic,
            window_id,
            seqnum: window.seqnum,
            length: window.length,
            blocks: ArrayVec::new_const(),
            sent: 0,
            window_told: None,
            backoff: Backoff::new(),
            look_at: Instant::from_nanos(0),
            asked_at: now,
        }
    }

    fn same_as(&self, other: &Self) -> bool {
        self.peer == other.peer
            && self.handle == other.handle
            && self.magic == other.magic
            && self.window_id == other.window_id
            && (self.seqnum, self.length) == (other.seqnum, other.length)
    }

    /// Whether it reads the message of this window.
    pub fn reads(&self, window: &Window) -> bool {
        (self.seqnum, self.length) == (window.seqnum, window.length)
    }

    /// The process of the window was told what is wanted.
    pub fn told(&mut self, window: Window) {
        self.window_told = Some(window);
        self.backoff = Backoff::new();
    }

    /// The reply to send next.
    pub fn next_reply(&self) -> Option<mx_wire::BlockReply> {
        self.blocks.first()?.reply(self.sent)
    }

    /// That reply was sent.
    pub fn reply_sent(&mut self) {
        self.backoff = Backoff::new();
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

/// All transfers of an endpoint: peers are served in turn, then the transfers of each.
#[derive(Debug, Default)]
pub(crate) struct ReplyJobs {
    transfers: VecDeque<Transfer>,
    /// The peers of these, in the order of their turns.
    turns: VecDeque<u16>,
    /// Those whose bytes their windows do not reach now, in order.
    aside: VecDeque<Transfer>,
    /// Blocks that are promised, in both lists.
    blocks: usize,
}

impl ReplyJobs {
    /// Transfers that are served.
    pub fn count(&self) -> usize {
        self.transfers.len() + self.aside.len()
    }

    /// Promises a block. One that is promised already, or one too many, is dropped: the puller asks again. `room` says that
    /// another transfer may begin.
    pub fn add(&mut self, transfer: Transfer, block: PullBlock, room: bool) {
        let all = self.transfers.iter().chain(&self.aside);
        let of_peer = all.filter(|known| known.peer == transfer.peer);
        let held: usize = of_peer.map(|known| known.blocks.len()).sum();
        if held >= TIMES * JOBS.saturating_sub(self.blocks) {
            return;
        }
        let mut all = self.transfers.iter_mut().chain(&mut self.aside);
        if let Some(known) = all.find(|t| t.same_as(&transfer)) {
            known.asked_at = transfer.asked_at;
            if !known.blocks.contains(&block) && known.blocks.try_push(block).is_ok() {
                self.blocks += 1;
            }
            return;
        }
        if !room || self.transfers.try_reserve(1).is_err() {
            return;
        }
        let mut transfer = transfer;
        transfer.blocks.push(block);
        self.blocks += 1;
        self.line_up(transfer);
    }

    /// Puts a transfer to the end of the line, and its peer, unless it waits for its turn already.
    fn line_up(&mut self, transfer: Transfer) {
        if !self.turns.contains(&transfer.peer) {
            self.turns.push_back(transfer.peer);
        }
        self.transfers.push_back(transfer);
    }

    /// Takes the transfer whose turn it is. It is given back by [`Self::put_back`], or dropped.
    pub fn take_next(&mut self) -> Option<Transfer> {
        let peer = self.turns.pop_front()?;
        let is_of_peer = |transfer: &Transfer| transfer.peer == peer;
        let place = self.transfers.iter().position(is_of_peer)?;
        let transfer = self.transfers.remove(place)?;
        if self.transfers.iter().any(is_of_peer) {
            self.turns.push_back(peer);
        }
        self.blocks -= transfer.blocks.len();
        Some(transfer)
    }

    /// Gives a transfer back: to the end of the line, or to its front when it could not be served for want of room.
    pub fn put_back(&mut self, transfer: Transfer, first: bool) {
        if transfer.blocks.is_empty() {
            if self.count() == 0 {
                self.transfers.shrink_to(KEPT_ROOM);
                self.aside.shrink_to(KEPT_ROOM);
            }
            return;
        }
        self.blocks += transfer.blocks.len();
        if first {
            self.turns.retain(|peer| *peer != transfer.peer);
            self.turns.push_front(transfer.peer);
            self.transfers.push_front(transfer);
        } else {
            self.line_up(transfer);
        }
    }

    /// The transfers of a window.
    pub fn of_window(&self, id: u8) -> impl Iterator<Item = &Transfer> {
        let all = self.transfers.iter().chain(&self.aside);
        all.filter(move |transfer| transfer.window_id == id)
    }

    /// Puts a transfer aside whose next bytes its window does not reach.
    pub fn put_aside(&mut self, now: Instant, mut transfer: Transfer) {
        transfer.look_at = now + transfer.backoff.next_wait();
        self.blocks += transfer.blocks.len();
        self.aside.push_back(transfer);
    }

    /// When [`Self::look_again`] is to be called.
    pub fn timer(&self) -> Option<Instant> {
        self.aside.iter().map(|transfer| transfer.look_at).min()
    }

    /// Gives those that were put aside another turn, when it is time. Those that nobody waits for any more are dropped.
    pub fn look_again(&mut self, now: Instant) {
        for _ in 0..self.aside.len() {
            match self.aside.pop_front() {
                Some(transfer) if now - transfer.asked_at >= GIVEN_UP => {
                    self.blocks -= transfer.blocks.len();
                }
                Some(transfer) if now < transfer.look_at => self.aside.push_back(transfer),
                Some(transfer) => self.line_up(transfer),
                None => break,
            }
        }
    }

    /// Whether nothing is to be sent now.
    pub fn is_empty(&self) -> bool {
        self.transfers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use mx_ring::{Reach, RegionKey};
    use mx_wire::{Ends, Format, Pull};

    use super::*;

    fn window() -> Window {
        Window {
            region: RegionKey::default(),
            seqnum: 23,
            reach: Reach::Whole,
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
        transfer_of(1, handle)
    }

    fn transfer_of(peer: u16, handle: u32) -> Transfer {
        Transfer::new(Instant::default(), peer, (handle, 0), 0, &window())
    }

    #[test]
    fn a_peer_with_many_transfers_leaves_room_for_another_and_gets_no_more_turns() {
        let mut jobs = ReplyJobs::default();
        for handle in 0..200 {
            jobs.add(transfer_of(1, handle), block(0), true);
        }
        assert!(jobs.blocks > JOBS / 2);
        jobs.add(transfer_of(2, 0), block(0), true);
        jobs.add(transfer_of(3, 0), block(0), true);
        let mut turns = [0; 4];
        for _ in 0..300 {
            let taken = jobs.take_next().unwrap();
            turns[usize::from(taken.peer)] += 1;
            jobs.put_back(taken, false);
        }
        assert_eq!(turns, [0, 100, 100, 100]);
        // Whoever could not be served for want of room is the next.
        let taken = jobs.take_next().unwrap();
        let peer = taken.peer;
        jobs.put_back(taken, true);
        assert_eq!(jobs.take_next().unwrap().peer, peer);
    }

    #[test]
    fn a_block_asked_for_twice_is_sent_once() {
        let mut jobs = ReplyJobs::default();
        jobs.add(transfer(1), block(0), true);
        jobs.add(transfer(1), block(0), true);
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
            for peer in 0..20 {
                jobs.add(transfer_of(peer, handle), block(0), true);
            }
        }
        assert_eq!(jobs.transfers.len(), JOBS);
        let taken = jobs.take_next().unwrap();
        jobs.put_back(taken, true);
        assert_eq!(jobs.blocks, JOBS);
    }

    #[test]
    fn transfers_take_turns_and_the_blocks_of_one_stay_in_order() {
        let mut jobs = ReplyJobs::default();
        jobs.add(transfer(1), block(0), true);
        jobs.add(transfer(1), block(32), true);
        jobs.add(transfer(2), block(0), true);
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
    fn a_transfer_aside_is_looked_at_ever_more_rarely_and_keeps_its_blocks() {
        let mut jobs = ReplyJobs::default();
        let mut now = Instant::default();
        jobs.add(transfer(1), block(0), true);
        let mut looks = 0;
        let end = now + Duration::from_secs(1);
        while now < end {
            let taken = jobs.take_next().unwrap();
            looks += 1;
            jobs.put_aside(now, taken);
            assert!(jobs.is_empty());
            jobs.add(transfer(1), block(0), true);
            assert_eq!(jobs.blocks, 1);
            now = jobs.timer().unwrap();
            jobs.look_again(now);
        }
        assert!((15..25).contains(&looks), "{looks}");
        jobs.add(transfer(1), block(32), true);
        assert_eq!(jobs.take_next().unwrap().blocks.len(), 2);
    }

    #[test]
    fn a_transfer_aside_is_dropped_when_its_puller_has_given_up_and_not_before() {
        let mut jobs = ReplyJobs::default();
        let second = |s: u64| Instant::from_nanos(s * 1_000_000_000);
        jobs.add(transfer(1), block(0), true);
        let mut seen = None;
        for s in 0..2000 {
            if s == 300 {
                // It asks again.
                let again = Transfer::new(second(s), 1, (1, 0), 0, &window());
                jobs.add(again, block(0), true);
            }
            if let Some(taken) = jobs.take_next() {
                seen = Some(s);
                jobs.put_aside(second(s), taken);
            }
            jobs.look_again(second(s + 1));
        }
        assert_eq!(seen, Some(799));
        assert_eq!((jobs.count(), jobs.blocks), (0, 0));
    }
}
