//! What a board has found wrong with the network, for its users (wire.md §4: nothing on the wire announces what all nodes
//! must have in common).

use core::time::Duration;

use mx_ring::Counter;
use mx_ring::warning::{Notice, Notices, WARNINGS, Warning};
use mx_wire::{Beacon, Frame, MacAddress, Packet, ParseError};

use crate::board::Board;
use crate::incoming::parse_error;
use crate::key::BoardId;
use crate::switch::Switch;
use crate::time::Instant;

/// A fault that was not seen for so long is over.
const OVER: Duration = Duration::from_secs(600);

/// A fault that comes and goes is not said more often than that.
const QUIET: Duration = Duration::from_secs(60);

/// The faults that are there, each said once.
#[derive(Clone, Debug, Default)]
pub struct Warnings {
    notices: Notices,
    seen: [Instant; WARNINGS],
    said: [Option<Instant>; WARNINGS],
    /// A bit for each that was not said yet.
    unsaid: u8,
    changed: bool,
}

const _: () = assert!(WARNINGS <= u8::BITS as usize);

impl Warnings {
    /// How often each fault was seen, and about whom.
    pub const fn notices(&self) -> &Notices {
        &self.notices
    }

    /// Whether the notices have changed since this was asked last.
    pub fn take_changed(&mut self) -> bool {
        core::mem::take(&mut self.changed)
    }

    /// The next fault that has not been said yet.
    pub fn take_unsaid(&mut self) -> Option<(Warning, Notice)> {
        let bit = |warning: &Warning| self.unsaid & 1 << *warning as u8 != 0;
        let warning = Warning::ALL.into_iter().find(bit)?;
        self.unsaid &= !(1 << warning as u8);
        Some((warning, self.notices.get(warning)))
    }

    fn see(&mut self, now: Instant, warning: Warning, about: MacAddress) {
        let notice = self.notices.get(warning);
        if let Some(said) = self.said.get_mut(warning as usize)
            && notice.times == 0
            && said.is_none_or(|said| now - said >= QUIET)
        {
            *said = Some(now);
            self.unsaid |= 1 << warning as u8;
        }
        let notice = Notice {
            times: notice.times.saturating_add(1),
            about: about.0,
        };
        self.notices.set(warning, notice);
        if let Some(seen) = self.seen.get_mut(warning as usize) {
            *seen = now;
        }
        self.changed = true;
    }

    fn end(&mut self, warning: Warning) {
        self.changed |= self.notices.has(warning);
        self.notices.set(warning, Notice::default());
        self.unsaid &= !(1 << warning as u8);
    }
}

impl Board {
    /// Something is wrong with the network: `about` is the machine that shows it.
    pub(crate) fn warn(&mut self, now: Instant, warning: Warning, about: MacAddress) {
        self.warnings.see(now, warning, about);
    }

    /// That machine has another name now, or is gone: if it was the one that had this board's, the fault is over.
    pub(crate) fn not_namesake(&mut self, mac: MacAddress) {
        if self.warnings.notices.get(Warning::OwnName).about == mac.0 {
            self.warnings.end(Warning::OwnName);
        }
    }

    /// This board has another name now.
    pub(crate) fn no_namesake(&mut self) {
        self.warnings.end(Warning::OwnName);
    }

    /// Faults that have not been seen for long are over.
    pub(crate) fn end_old_warnings(&mut self, now: Instant) {
        for (warning, seen) in Warning::ALL.into_iter().zip(self.warnings.seen) {
            if now - seen >= OVER {
                self.warnings.end(warning);
            }
        }
    }
}

impl Switch {
    /// The board that a frame was meant for, read or not.
    fn meant(&mut self, bytes: &[u8]) -> Option<&mut Board> {
        let to = bytes.first_chunk().map(|mac| MacAddress(*mac))?;
        self.board_mut(self.by_mac(to)?)
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

    /// The wire brings a frame from the address of a board of this home.
    pub(crate) fn own_address(&mut self, now: Instant, owner: BoardId, frame: &Frame<'_>) {
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
            board.count(Counter::DropBadPeerAddr);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_said_once_and_counted_each_time() {
        let mut warnings = Warnings::default();
        let about = MacAddress([2, 0, 0, 0, 0, 9]);
        assert!(warnings.take_unsaid().is_none());
        for second in 1..=3 {
            let now = Instant::from_nanos(second * 1_000_000_000);
            warnings.see(now, Warning::OtherFormat, about);
        }
        let notice = Notice {
            times: 3,
            about: about.0,
        };
        assert!(warnings.take_changed());
        assert!(!warnings.take_changed());
        assert_eq!(warnings.take_unsaid(), Some((Warning::OtherFormat, notice)));
        assert_eq!(warnings.take_unsaid(), None);
        warnings.end(Warning::OtherFormat);
        assert!(warnings.take_changed());
        assert!(!warnings.notices().has(Warning::OtherFormat));
        let said = |warnings: &mut Warnings, second: u64| {
            let now = Instant::from_nanos(second * 1_000_000_000);
            warnings.see(now, Warning::OtherFormat, about);
            warnings.end(Warning::OwnName);
            let said = warnings.take_unsaid().is_some();
            warnings.end(Warning::OtherFormat);
            said
        };
        let often = (4..300).filter(|second| said(&mut warnings, *second));
        assert_eq!(often.count(), 4, "once a minute while it comes and goes");
    }
}
