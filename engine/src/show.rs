//! How large sends show themselves: whole, or, where memory is too scarce for that, piece by piece as the partner asks.
//!
//! A send whose memory cannot be registered goes out all the same: its window reaches nothing until the board says which
//! byte is wanted. Then the send gets the memory that there is, for the message or for a piece of it. Pieces are taken away
//! from sends that have had theirs for a while: a partner that does not go on with one message keeps no other one waiting.

use alloc::vec::Vec;
use core::time::Duration;

use mx_ring::{Reach, Wanted};

use crate::code::Code;
use crate::engine::Engine;
use crate::memory::Memory;
use crate::queue_port::{QueuePort, Refused};
use crate::state::keys::OutgoingKey;
use crate::state::outgoing::Body;
use crate::state::shown::Shown;

impl Engine {
    /// The board says that a partner wants a byte of a message which its window does not reach.
    pub(crate) fn wanted(&mut self, wanted: &Wanted) {
        if let Some(key) = self.windows.holder(wanted.window, wanted.window_seqnum)
            && let Some((shown, _)) = self.shown(key)
            && shown.reach != Reach::Whole
            && wanted.offset < shown.total
            && shown.wanted.replace(wanted.offset).is_none()
        {
            self.wanted.push_back(key);
        }
    }

    fn shown(&mut self, key: OutgoingKey) -> Option<(&mut Shown, &Memory)> {
        match &mut self.outgoing.get_mut(key)?.body {
            Body::Large { shown, memory, .. } => Some((shown.as_mut()?, memory)),
            _ => None,
        }
    }

    /// Shows what is wanted, as far as there is memory.
    pub(crate) fn show_wanted(&mut self, port: &mut impl QueuePort) {
        while let Some(key) = self.wanted.front().copied() {
            if self.now < self.send_memory_at {
                return;
            }
            match self.show(key, port) {
                Ok(()) => {}
                Err(Refused::Later) => {
                    let pause = self.config.registration_pause;
                    if !self.withdraw_oldest_piece(port) {
                        self.send_memory_at = self.now + pause;
                        return;
                    }
                    continue;
                }
                Err(Refused::Never) => self.end_outgoing(key, Code::NoSystemResources, port),
            }
            self.wanted.pop_front();
        }
    }

    fn show(&mut self, key: OutgoingKey, port: &mut impl QueuePort) -> Result<(), Refused> {
        let now = self.now;
        let Some((shown, memory)) = self.shown(key) else {
            return Ok(());
        };
        let Some(start) = shown.wanted else {
            return Ok(());
        };
        // Who has had a piece goes on with pieces; else there may be memory for all of it by now.
        if shown.registered.is_some() {
            shown.withdraw(port);
        } else {
            match shown.show(now, memory, port) {
                Err(Refused::Later) => {}
                other => return other,
            }
        }
        shown.show_piece(now, memory, start, port)
    }

    /// Takes the piece away that has been shown for the longest time, if that is long enough for the board to have served
    /// it; whether there was one.
    fn withdraw_oldest_piece(&mut self, port: &mut impl QueuePort) -> bool {
        let until = self.now.saturating_sub(self.config.registration_pause);
        let holders: Vec<OutgoingKey> = self.windows.holders().collect();
        let mut oldest: Option<(Duration, OutgoingKey)> = None;
        for key in holders {
            if let Some((shown, _)) = self.shown(key)
                && shown.reach == Reach::Piece
                && shown.registered.is_some()
                && shown.since <= until
                && oldest.is_none_or(|(since, _)| shown.since < since)
            {
                oldest = Some((shown.since, key));
            }
        }
        let Some((shown, _)) = oldest.and_then(|(_, key)| self.shown(key)) else {
            return false;
        };
        shown.withdraw(port);
        true
    }
}
