//! What the network sees of a large send.

use core::time::Duration;

use mx_ring::{Reach, RegionKey, Window};

use crate::memory::Memory;
use crate::queue_port::{Part, QueuePort, Refused, Registered, Use};

/// A large send's window.
#[derive(Debug)]
pub struct Exported {
    /// Window id.
    pub id: u8,
    /// Number of this use of the id.
    pub seqnum: u8,
    /// Bytes of the message.
    pub total: u32,
    /// The memory that the network reads.
    pub registered: Option<Registered>,
    /// How much of the message that is.
    pub reach: Reach,
    /// When it was exported.
    pub since: Duration,
    /// The byte that the partner waits for.
    pub wanted: Option<u32>,
}

impl Exported {
    /// Binds a window that reaches nothing of the message.
    pub fn open(id: u8, seqnum: u8, total: u32, port: &mut impl QueuePort) -> Self {
        let exported = Self {
            id,
            seqnum,
            total,
            registered: None,
            reach: Reach::Nothing,
            since: Duration::ZERO,
            wanted: None,
        };
        // An empty message has nothing to export.
        if total > 0 {
            exported.bind(0, port);
        }
        exported
    }

    /// `start`: where the registered part starts in the message.
    fn bind(&self, start: u32, port: &mut impl QueuePort) {
        let registered = self.registered.as_ref();
        port.bind_window(
            self.id,
            &Window {
                region: registered.map_or(RegionKey::default(), |registered| registered.region),
                seqnum: self.seqnum,
                reach: self.reach,
                offset: match self.reach {
                    Reach::Whole => registered.map_or(0, |registered| registered.offset),
                    Reach::Piece | Reach::Nothing => start,
                },
                length: self.total,
            },
        );
    }

    /// Exports the whole message.
    pub fn export(
        &mut self,
        now: Duration,
        memory: &Memory,
        port: &mut impl QueuePort,
    ) -> Result<(), Refused> {
        let whole = Part {
            start: 0,
            length: self.total,
            divisible: false,
        };
        self.export_part(now, memory, whole, port)
    }

    /// Exports as much as there is memory for, from `start` on.
    pub fn export_piece(
        &mut self,
        now: Duration,
        memory: &Memory,
        start: u32,
        port: &mut impl QueuePort,
    ) -> Result<(), Refused> {
        let rest = Part {
            start,
            length: self.total - start,
            divisible: true,
        };
        self.export_part(now, memory, rest, port)
    }

    fn export_part(
        &mut self,
        now: Duration,
        memory: &Memory,
        part: Part,
        port: &mut impl QueuePort,
    ) -> Result<(), Refused> {
        self.registered = Some(port.register(memory, part, Use::Send)?);
        self.reach = match part.divisible {
            true => Reach::Piece,
            false => Reach::Whole,
        };
        self.since = now;
        self.wanted = None;
        self.bind(part.start, port);
        Ok(())
    }

    /// Gives the memory back. The window goes on naming it: whoever wants a byte finds it gone, and asks.
    pub fn release(&mut self, port: &mut impl QueuePort) {
        if let Some(registered) = self.registered.take() {
            port.release(registered);
        }
    }

    /// Ends the export of the message.
    pub fn close(mut self, port: &mut impl QueuePort) {
        if self.total > 0 {
            port.unbind_window(self.id);
        }
        self.release(port);
    }
}
