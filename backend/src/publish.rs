//! What processes see of their board: description, peers, counters.

use core::time::Duration;

use mx_board::{BoardId, Instant};
use mx_ring::board_page::{BoardDescription, PeerDescription};
use mx_ring::warning::{Notice, Notices, Warning};

use crate::backend::Backend;

/// How old published counters may be while the backend is busy.
const COUNTERS_EVERY: Duration = Duration::from_millis(50);

/// The interface behind the sink, where it may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceState {
    /// Its name, NUL-padded.
    pub name: [u8; 16],
    /// Whether frames go out and come in.
    pub up: bool,
    /// Payload bytes of a frame that it takes, if those are too few, else 0.
    pub short_mtu: u32,
    /// What is wrong with it.
    pub faults: Notices,
}

impl Backend {
    /// The interface is another than it was: tell the processes.
    pub fn set_interface(&mut self, state: &InterfaceState) {
        self.config.interface = state.name;
        self.short_mtu = state.short_mtu;
        self.faults = state.faults;
        self.set_link_up(state.up);
    }

    /// The next fault that a board has found and nobody was told of. To be asked after each turn until `None`.
    pub fn next_warning(&mut self) -> Option<(BoardId, Warning, Notice)> {
        self.unsaid.pop_front()
    }

    /// What a board has found wrong with the network.
    pub fn notices(&self, board: BoardId) -> Option<&Notices> {
        Some(self.switch.board(board)?.warnings().notices())
    }

    /// Publishes what a board has found wrong, and keeps what is to be said.
    fn publish_warnings(&mut self, id: BoardId) {
        let Some(warnings) = self.switch.warnings_mut(id) else {
            return;
        };
        while let Some((warning, notice)) = warnings.take_unsaid() {
            self.unsaid.push_back((id, warning, notice));
        }
        if warnings.take_changed() {
            self.describe(id);
        }
    }

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
        let mut notices = *board.warnings().notices();
        for (fault, notice) in self.faults.present() {
            notices.set(fault, notice);
        }
        slot.pages.set_board(&BoardDescription {
            generation: slot.generation,
            mx_wire: format.mode() == mx_wire::Mode::MxWire,
            mtu: format.mtu(),
            medium_fragment: format.medium_fragment(),
            link_up: self.link_up,
            peers_configured: !board.is_muted(),
            peers_full: board.peers().is_full(),
            peers_marked: board.are_peers_marked(),
            endpoint_max: self.config.endpoint_max,
            queue_entries: self.config.queue_entries,
            peer_count: board.peers().count(),
            mac: board.mac(),
            hostname: *board.name().padded(),
            interface: self.config.interface,
            driver: self.config.driver,
            interface_mtu: self.short_mtu,
            notices,
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
                        mac: peer.mac(),
                        local: peer.local().is_some(),
                        hostname: *peer.name().padded(),
                        reverse: peer.reverse(),
                        fixed: peer.is_fixed(),
                    },
                ),
                None => slot.pages.clear_peer(index),
            }
            self.describe(id);
        }
    }

    /// Writes the counters, if they have changed and it is time, or there is time.
    pub(crate) fn publish_counters(&mut self, now: Instant, idle: bool) {
        if !self.switch.has_counted() || (!idle && now < self.counters_due) {
            return;
        }
        self.counters_due = now + COUNTERS_EVERY;
        while let Some(id) = self.switch.next_counted() {
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
            self.publish_warnings(id);
        }
    }
}
