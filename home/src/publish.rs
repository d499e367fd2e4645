//! What processes see of their board: description, peers, counters.

use core::time::Duration;

use mx_board::{BoardId, Instant};
use mx_ring::board_page::{BoardDescription, PeerDescription};

use crate::home::Home;

/// How old published counters may be while the home is busy.
const COUNTERS_EVERY: Duration = Duration::from_millis(50);

impl Home {
    /// The link went up or down: tell the processes.
    pub fn set_link_up(&mut self, up: bool) {
        self.link_up = up;
        for board in 0..self.slots.count() {
            self.describe(BoardId(board));
        }
    }

    /// Writes a board's description.
    pub(crate) fn describe(&mut self, id: BoardId) {
        let (Some(slot), Some(board)) = (self.slots.board(id), self.switch.board(id)) else {
            return;
        };
        if slot.removing {
            return;
        }
        let format = &self.config.format;
        slot.pages.set_board(&BoardDescription {
            generation: self.config.generation,
            mx_wire: format.mode() == mx_wire::Mode::MxWire,
            mtu: format.mtu(),
            medium_fragment: format.medium_fragment(),
            link_up: self.link_up,
            peers_configured: !board.is_deaf(),
            peers_full: board.peers().is_full(),
            peers_marked: board.are_peers_marked(),
            endpoint_max: self.config.endpoint_max,
            peer_count: board.peers().count(),
            mac: board.mac().0,
            hostname: *board.name().padded(),
            interface: self.config.interface,
            driver: self.config.driver,
        });
    }

    /// Writes the peers that have changed, and the descriptions of their boards.
    pub(crate) fn publish_changes(&mut self) {
        while let Some((id, index)) = self.outcome.peers.pop() {
            let (Some(board), Some(slot)) = (self.switch.board(id), self.slots.board(id)) else {
                continue;
            };
            if slot.removing {
                continue;
            }
            match board.peers().get(index) {
                Some(peer) => slot.pages.set_peer(
                    index,
                    &PeerDescription {
                        mac: peer.mac().0,
                        local: peer.local().is_some(),
                        hostname: *peer.name().padded(),
                    },
                ),
                None => slot.pages.clear_peer(index),
            }
            self.describe(id);
        }
    }

    /// Writes the counters, if they have changed and it is time, or there is time.
    pub(crate) fn publish_counters(&mut self, now: Instant, idle: bool) {
        if !self.counted || (!idle && now < self.counters_due) {
            return;
        }
        self.counted = false;
        self.counters_due = now + COUNTERS_EVERY;
        for id in (0..self.slots.count()).map(BoardId) {
            let (Some(slot), Some(counters)) = (self.slots.board(id), self.switch.counters_mut(id))
            else {
                continue;
            };
            if slot.removing {
                continue;
            }
            for (number, value) in counters.take_changed() {
                slot.pages.set_counter(number, value);
            }
        }
    }
}
