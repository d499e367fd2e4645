//! How large sends show themselves: whole, or, where memory is too scarce for that, piece by piece as the partner asks.
//!
//! A send whose memory cannot be registered goes out all the same: its window reaches nothing until the board says which
//! byte is wanted. Then the send gets the memory that there is, for the message or for a piece of it. Pieces are taken away
//! from sends that have had theirs for a while: a partner that does not go on with one message keeps no other one waiting.

use alloc::vec::Vec;
use core::time::Duration;

use mx_ring::{Reach, RegionKey, Window};

use crate::Engine;
use crate::code::Code;
use crate::link::{Exposure, Link, Part, Refused, Use};
use crate::memory::Memory;
use crate::send::{Body, OutgoingKey};

/// A large send's window.
#[derive(Debug)]
pub struct Shown {
    /// Window id.
    pub id: u8,
    /// Number of this use of the id.
    pub seqnum: u8,
    total: u32,
    exposure: Option<Exposure>,
    /// How much of the message that is.
    reach: Reach,
    /// When it was shown.
    since: Duration,
    /// The byte that the partner waits for.
    wanted: Option<u32>,
}

impl Shown {
    /// Binds a window that reaches nothing of the message.
    pub fn open(id: u8, seqnum: u8, total: u32, link: &mut impl Link) -> Self {
        let shown = Self {
            id,
            seqnum,
            total,
            exposure: None,
            reach: Reach::Nothing,
            since: Duration::ZERO,
            wanted: None,
        };
        // An empty message has nothing to show.
        if total > 0 {
            shown.bind(0, link);
        }
        shown
    }

    /// `start`: where the exposure starts in the message.
    fn bind(&self, start: u32, link: &mut impl Link) {
        let exposure = self.exposure.as_ref();
        link.bind_window(
            self.id,
            &Window {
                region: exposure.map_or(RegionKey::default(), |exposure| exposure.region),
                seqnum: self.seqnum,
                reach: self.reach,
                offset: match self.reach {
                    Reach::Whole => exposure.map_or(0, |exposure| exposure.offset),
                    Reach::Piece | Reach::Nothing => start,
                },
                length: self.total,
            },
        );
    }

    /// Shows the whole message.
    pub fn show(
        &mut self,
        now: Duration,
        memory: &Memory,
        link: &mut impl Link,
    ) -> Result<(), Refused> {
        let whole = Part {
            start: 0,
            length: self.total,
            divisible: false,
        };
        self.expose(now, memory, whole, link)
    }

    fn show_piece(
        &mut self,
        now: Duration,
        memory: &Memory,
        start: u32,
        link: &mut impl Link,
    ) -> Result<(), Refused> {
        let rest = Part {
            start,
            length: self.total - start,
            divisible: true,
        };
        self.expose(now, memory, rest, link)
    }

    fn expose(
        &mut self,
        now: Duration,
        memory: &Memory,
        part: Part,
        link: &mut impl Link,
    ) -> Result<(), Refused> {
        self.exposure = Some(link.expose(memory, part, Use::Send)?);
        self.reach = match part.divisible {
            true => Reach::Piece,
            false => Reach::Whole,
        };
        self.since = now;
        self.wanted = None;
        self.bind(part.start, link);
        Ok(())
    }

    /// Gives the memory back. The window goes on naming it: whoever wants a byte finds it gone, and asks.
    fn withdraw(&mut self, link: &mut impl Link) {
        if let Some(exposure) = self.exposure.take() {
            link.retract(exposure);
        }
    }

    /// Hides the message again.
    pub fn close(mut self, link: &mut impl Link) {
        if self.total > 0 {
            link.unbind_window(self.id);
        }
        self.withdraw(link);
    }
}

impl Engine {
    /// The board says that a partner wants a byte of a message which its window does not reach.
    pub(super) fn wanted(&mut self, window: u8, window_seqnum: u8, offset: u32) {
        if let Some(key) = self.windows.holder(window, window_seqnum)
            && let Some((shown, _)) = self.shown(key)
            && shown.reach != Reach::Whole
            && offset < shown.total
            && shown.wanted.replace(offset).is_none()
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
    pub(super) fn show_wanted(&mut self, link: &mut impl Link) {
        while let Some(key) = self.wanted.front().copied() {
            if self.now < self.send_memory_at {
                return;
            }
            match self.show(key, link) {
                Ok(()) => {}
                Err(Refused::Later) => {
                    let pause = self.config.registration_pause;
                    if !self.withdraw_oldest_piece(link) {
                        self.send_memory_at = self.now + pause;
                        return;
                    }
                    continue;
                }
                Err(Refused::Never) => self.end_outgoing(key, Code::NoSystemResources, link),
            }
            self.wanted.pop_front();
        }
    }

    fn show(&mut self, key: OutgoingKey, link: &mut impl Link) -> Result<(), Refused> {
        let now = self.now;
        let Some((shown, memory)) = self.shown(key) else {
            return Ok(());
        };
        let Some(start) = shown.wanted else {
            return Ok(());
        };
        // Who has had a piece goes on with pieces; else there may be memory for all of it by now.
        if shown.exposure.is_some() {
            shown.withdraw(link);
        } else {
            match shown.show(now, memory, link) {
                Err(Refused::Later) => {}
                other => return other,
            }
        }
        shown.show_piece(now, memory, start, link)
    }

    /// Takes the piece away that has been shown for the longest time, if that is long enough for the board to have served
    /// it; whether there was one.
    fn withdraw_oldest_piece(&mut self, link: &mut impl Link) -> bool {
        let until = self.now.saturating_sub(self.config.registration_pause);
        let holders: Vec<OutgoingKey> = self.windows.holders().collect();
        let mut oldest: Option<(Duration, OutgoingKey)> = None;
        for key in holders {
            if let Some((shown, _)) = self.shown(key)
                && shown.reach == Reach::Piece
                && shown.exposure.is_some()
                && shown.since <= until
                && oldest.is_none_or(|(since, _)| shown.since < since)
            {
                oldest = Some((shown.since, key));
            }
        }
        let Some((shown, _)) = oldest.and_then(|(_, key)| self.shown(key)) else {
            return false;
        };
        shown.withdraw(link);
        true
    }
}
