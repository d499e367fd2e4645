//! What the network sees of a large send.

use core::time::Duration;

use mx_ring::{Reach, RegionKey, Window};

use crate::link::{Exposure, Link, Part, Refused, Use};
use crate::memory::Memory;

/// A large send's window.
#[derive(Debug)]
pub struct Shown {
    /// Window id.
    pub id: u8,
    /// Number of this use of the id.
    pub seqnum: u8,
    /// Bytes of the message.
    pub total: u32,
    /// The memory that the network reads.
    pub exposure: Option<Exposure>,
    /// How much of the message that is.
    pub reach: Reach,
    /// When it was shown.
    pub since: Duration,
    /// The byte that the partner waits for.
    pub wanted: Option<u32>,
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

    /// Shows as much as there is memory for, from `start` on.
    pub fn show_piece(
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
    pub fn withdraw(&mut self, link: &mut impl Link) {
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
