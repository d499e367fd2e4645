//! How boards get their part of what all share, and give it back.

use crate::allowance::{BoardLimits, BoardUsage};
use crate::board::Board;
use crate::key::{BoardId, EndpointKey};
use crate::pull::ALLOTMENT;
use crate::rate::Rate;
use crate::share::MESSAGE;
use crate::switch::Switch;
use crate::time::Instant;

/// Slots for pulls that a board has for itself.
const OWN_PULLS: u32 = 64;
/// What may be done for a board besides its turn, counted in messages: half of its share while it has something to do there, too,
/// so that neither keeps the other waiting.
const BESIDES: [usize; 2] = [16, 8];

/// How many of so many slots are not a board's own.
const fn beyond(pulls: u32) -> u32 {
    pulls.saturating_sub(OWN_PULLS)
}

impl Switch {
    /// Bounds the slots for pulls that boards have besides their own 64. To be called before there are boards.
    pub const fn share_pulls(&mut self, count: u32) {
        self.free_pulls = count;
    }

    /// Bounds what a board may have from now on.
    pub fn set_limits(&mut self, now: Instant, id: BoardId, limits: BoardLimits) {
        if let Some(board) = self.board_mut(id) {
            board.allowance.pull_max = limits.pulls;
            board.allowance.nacks = Some(Rate::new(now, limits.nacks, 1));
        }
    }

    /// As much as so many messages may be done for a board now, besides what it does in its turns. Nothing as long as it has
    /// not had the turns that pay for what was done before.
    pub fn may_spend(&self, id: BoardId) -> usize {
        let [alone, half] = BESIDES;
        match self.board(id) {
            Some(board) if board.is_ready() => {
                let owes = board.share.left <= -(half as i64 * MESSAGE);
                if owes { 0 } else { half }
            }
            _ => alone,
        }
    }

    /// As much as so many messages was done for a board besides its turns: it is taken from its share.
    pub fn spend(&mut self, id: BoardId, messages: usize) {
        if let Some(board) = self.board_mut(id)
            && board.is_ready()
        {
            board.share.spend(messages as i64 * MESSAGE);
        }
    }

    /// Sees to it that an endpoint has a slot for another pull; false when it has to wait for one.
    pub(crate) fn allot_pull(&mut self, key: EndpointKey) -> bool {
        let free = self.free_pulls;
        let Some(board) = self.board_mut(key.board) else {
            return false;
        };
        let Some(endpoint) = board.endpoint(key.endpoint) else {
            return true;
        };
        if !endpoint.pulls.wants_slots() {
            return true;
        }
        // No process keeps another one of its guest from pulling at all.
        let first = endpoint.pulls.allotted() == 0;
        let pulls = board.allowance.pulls.saturating_add(ALLOTMENT);
        let more = beyond(pulls) - beyond(board.allowance.pulls);
        let may = (first || pulls <= board.allowance.pull_max) && more <= free;
        let allotted = may
            && board
                .endpoint_mut(key.endpoint)
                .is_some_and(|endpoint| endpoint.pulls.allot());
        if allotted {
            board.allowance.pulls = pulls;
            self.free_pulls -= more;
        } else {
            let refused = &mut board.allowance.pulls_refused;
            *refused = refused.saturating_add(1);
        }
        allotted
    }

    /// An endpoint gives slots back.
    pub(crate) fn give_pulls(&mut self, id: BoardId, count: u32) {
        let Some(board) = self.board_mut(id) else {
            return;
        };
        let before = board.allowance.pulls;
        let left = before.saturating_sub(count);
        board.allowance.pulls = left;
        self.free_pulls = self
            .free_pulls
            .saturating_add(beyond(before) - beyond(left));
    }

    /// What an endpoint no longer needs goes back.
    pub(crate) fn tidy_pulls(&mut self, key: EndpointKey) {
        let endpoint = self.board_mut(key.board);
        let endpoint = endpoint.and_then(|board| board.endpoint_mut(key.endpoint));
        let back = endpoint.map_or(0, |endpoint| endpoint.pulls.give_back());
        if back > 0 {
            self.give_pulls(key.board, back);
        }
    }
}

impl Board {
    /// What it has of what all boards share.
    pub fn usage(&self) -> BoardUsage {
        let pulls: usize = self.open().map(|endpoint| endpoint.pulls.running()).sum();
        BoardUsage {
            pulls: pulls as u32,
            pulls_refused: self.allowance.pulls_refused,
            nacks_refused: self.allowance.nacks_refused,
        }
    }
}
