//! How large sends are exported to the network: whole, or, where memory is too scarce for that, piece by piece as the partner asks.
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
use crate::state::exported::Exported;
use crate::state::keys::OutgoingKey;
use crate::state::outgoing::Body;

impl Engine {
    /// The board says that a partner wants a byte of a message which its window does not reach.
    pub(crate) fn wanted(&mut self, wanted: &Wanted) {
        if let Some(key) = self.windows.holder(wanted.window, wanted.window_seqnum)
            && let Some((exported, _)) = self.exported(key)
            && exported.reach != Reach::Whole
            && wanted.offset < exported.total
            && exported.wanted.replace(wanted.offset).is_none()
        {
            self.wanted.push_back(key);
        }
    }

    fn exported(&mut self, key: OutgoingKey) -> Option<(&mut Exported, &Memory)> {
        match &mut self.outgoing.get_mut(key)?.body {
            Body::Large {
                exported, memory, ..
            } => Some((exported.as_deref_mut()?, memory)),
            _ => None,
        }
    }

    /// Exports what is wanted, as far as there is memory.
    pub(crate) fn export_wanted(&mut self, port: &mut impl QueuePort) {
        while let Some(key) = self.wanted.front().copied() {
            if self.now < self.send_memory_at {
                return;
            }
            match self.export(key, port) {
                Ok(()) => {}
                Err(Refused::Later) => {
                    let pause = self.config.registration_pause;
                    if !self.release_oldest_piece(port) {
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

    fn export(&mut self, key: OutgoingKey, port: &mut impl QueuePort) -> Result<(), Refused> {
        let now = self.now;
        let Some((exported, memory)) = self.exported(key) else {
            return Ok(());
        };
        let Some(start) = exported.wanted else {
            return Ok(());
        };
        // Who has had a piece goes on with pieces; else there may be memory for all of it by now.
        if exported.registered.is_some() {
            exported.release(port);
        } else {
            match exported.export(now, memory, port) {
                Err(Refused::Later) => {}
                other => return other,
            }
        }
        exported.export_piece(now, memory, start, port)
    }

    /// Takes the piece away that has been exported for the longest time, if that is long enough for the board to have served
    /// it; whether there was one.
    fn release_oldest_piece(&mut self, port: &mut impl QueuePort) -> bool {
        let until = self.now.saturating_sub(self.config.registration_pause);
        let holders: Vec<OutgoingKey> = self.windows.holders().collect();
        let mut oldest: Option<(Duration, OutgoingKey)> = None;
        for key in holders {
            if let Some((exported, _)) = self.exported(key)
                && exported.reach == Reach::Piece
                && exported.registered.is_some()
                && exported.since <= until
                && oldest.is_none_or(|(since, _)| exported.since < since)
            {
                oldest = Some((exported.since, key));
            }
        }
        let Some((exported, _)) = oldest.and_then(|(_, key)| self.exported(key)) else {
            return false;
        };
        exported.release(port);
        true
    }
}
