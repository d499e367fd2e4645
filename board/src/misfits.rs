//! What is seen of machines that do not fit into this network, and which board warns of it (wire.md §4).

use mx_records::record;
use mx_ring::Counter;
use mx_ring::warning::Warning;
use mx_wire::{Beacon, Frame, MacAddress, Packet, ParseError};

use crate::board::Board;
use crate::incoming::parse_error;
use crate::key::BoardId;
use crate::switch::Switch;
use crate::time::Instant;

impl Board {
    /// Something is wrong with the network: `about` is the machine that shows it.
    pub(crate) fn warn(&mut self, now: Instant, warning: Warning, about: MacAddress) {
        self.warnings.see(now, warning, about);
    }

    /// That machine has another name now, or is gone: if it was the one that had this board's, the fault is over.
    pub(crate) fn not_namesake(&mut self, mac: MacAddress) {
        if self.warnings.notices().get(Warning::OwnName).about == mac {
            self.warnings.end(Warning::OwnName);
        }
    }

    /// This board has another name now.
    pub(crate) fn no_namesake(&mut self) {
        self.warnings.end(Warning::OwnName);
    }

    /// Faults that have not been seen for long are over.
    pub(crate) fn end_old_warnings(&mut self, now: Instant) {
        self.warnings.end_old(now);
    }
}

impl Switch {
    /// The board that a frame was meant for, read or not.
    fn meant(&mut self, bytes: &[u8]) -> Option<&mut Board> {
        let to = bytes.first_chunk().map(|mac| MacAddress(*mac))?;
        let to = self.by_mac(to)?;
        self.counted.insert(to.0);
        self.board_mut(to)
    }

    /// Counts a frame that cannot be read at the board that it was meant for.
    pub(crate) fn unreadable(&mut self, now: Instant, bytes: &[u8], error: &ParseError) {
        if error.is_of_other_format() || bytes.len() > usize::from(self.settings.format.mtu()) {
            self.warn_of_format(now, bytes);
        }
        if let Some(counter) = parse_error(error)
            && let Some(board) = self.meant(bytes)
        {
            board.count(counter);
            record!(debug, "{}: {}: {error}", board.name, counter.label());
        }
    }

    /// A frame that this format does not allow: its sender has another.
    pub(crate) fn warn_of_format(&mut self, now: Instant, bytes: &[u8]) {
        if let Some(source) = bytes.get(6..).and_then(<[u8]>::first_chunk)
            && let Some(board) = self.meant(bytes)
        {
            board.warn(now, Warning::OtherFormat, MacAddress(*source));
        }
    }

    /// The wire brings a frame from the address of a board of this backend.
    pub(crate) fn own_address(&mut self, now: Instant, owner: BoardId, frame: &Frame<'_>) {
        self.counted.insert(owner.0);
        let Some(board) = self.board_mut(owner) else {
            return;
        };
        let beacon = Beacon::parse(frame.payload).filter(|_| frame.packet == Packet::Raw);
        let sent_here = beacon.is_some_and(|it| it.serial == board.discovery.serial());
        let warning = if sent_here {
            Warning::Echo
        } else {
            Warning::OwnAddress
        };
        board.warn(now, warning, frame.source);
        if frame.packet == Packet::Raw {
            let counter = Counter::DropBadPeerAddr;
            board.count(counter);
            record!(debug, "{}: {}: {frame}", board.name, counter.label());
        }
    }
}
