//! Requests that wait for the backend's answer.

use crate::endpoint_id::EndpointId;

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// OpenEndpoint.
    Open(EndpointId),
    /// CloseEndpoint.
    Close(EndpointId),
    /// Register, a piece of a region.
    Register(EndpointId, u16),
    /// Deregister of a region.
    Deregister(EndpointId, u16),
    /// Whether the raw endpoint is open.
    Raw,
    /// A frame of the raw endpoint.
    SendRaw,
    /// The next frame for the raw endpoint.
    TakeRaw,
    /// A change of the board.
    Change,
    /// All that an earlier backend served is there again.
    Ready,
}

/// Requests that may wait at the same time: the backend answers a Deregister only after the last frame in flight, and
/// meanwhile the ring's 16 entries serve others.
const LIMIT: usize = 48;

/// The requests of one board.
pub struct InFlight {
    slots: [Option<(u32, Subject)>; LIMIT],
    last: u32,
}

impl InFlight {
    /// None.
    pub const fn new() -> Self {
        Self {
            slots: [None; LIMIT],
            last: 0,
        }
    }

    /// Whether another request may be made.
    pub fn has_room(&self) -> bool {
        self.slots.iter().any(Option::is_none)
    }

    /// Whether no request waits.
    pub fn is_empty(&self) -> bool {
        self.slots.iter().all(Option::is_none)
    }

    /// Notes a request and returns its number, never 0; `None` when too many wait.
    pub fn begin(&mut self, subject: Subject) -> Option<u32> {
        let slot = self.slots.iter_mut().find(|slot| slot.is_none())?;
        self.last = self.last.wrapping_add(1).max(1);
        *slot = Some((self.last, subject));
        Some(self.last)
    }

    /// Takes the request that an answer names; `None` when no such request waits.
    pub fn end(&mut self, id: u32) -> Option<Subject> {
        let waiting = |slot: &Option<(u32, Subject)>| slot.is_some_and(|(number, _)| number == id);
        let at = self.slots.iter().position(waiting)?;
        self.slots[at].take().map(|(_, subject)| subject)
    }
}

impl Default for InFlight {
    fn default() -> Self {
        Self::new()
    }
}
