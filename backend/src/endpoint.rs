//! An open endpoint as its backend sees it.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use mx_board::{BadMemory, BoardId, EndpointKey, Instant, Source};
use mx_ring::BackendSide;
use mx_ring::board_page::BoardPages;

use crate::error::Misbehaviour;
use crate::in_flight::{CommandsInFlight, Pinned};
use crate::region::{Parts, RegionTable};
use crate::senders::Senders;

/// An endpoint as its backend serves it: queues, regions, and what is under way.
pub(crate) struct ServedEndpoint {
    pub side: BackendSide,
    /// Whose events wait in its queue.
    pub senders: Senders,
    pub regions: RegionTable,
    pub commands: CommandsInFlight,
    /// Frames in flight that read its transmit area or a region of it.
    pub in_flight: u32,
    /// It is being closed: nothing new may use it.
    pub closing: bool,
    /// What its process did, once.
    pub blamed: Option<Misbehaviour>,
    /// When it last had a command or an event.
    pub active_at: Instant,
    /// It is in the list of those whose sleepers are to be looked at.
    pub published: bool,
}

impl ServedEndpoint {
    /// Whether it is no longer to be polled: it has been idle for a spell, its process is asked to kick, and has not
    /// posted anything meanwhile.
    pub fn falls_idle(&mut self, now: Instant, spell_nanos: u64) -> bool {
        if !now.is_past(self.active_at, spell_nanos) {
            return false;
        }
        self.side.ask_for_kick();
        if self.side.command_waits() {
            self.side.polled_again();
            return false;
        }
        true
    }
}

/// A board's endpoints and pages.
pub(crate) struct BoardSlot {
    endpoints: Vec<Option<Box<ServedEndpoint>>>,
    pub pages: BoardPages,
    /// What its processes know this backend by.
    pub generation: u32,
    /// It goes away: its pages are no longer written.
    pub removing: bool,
    /// Its removal is complete, and is yet to be told.
    pub removed: bool,
    /// RAW frames that wait for its raw endpoint, if that is open.
    pub raw: Option<VecDeque<Vec<u8>>>,
}

impl BoardSlot {
    pub fn new(pages: BoardPages, generation: u32) -> Self {
        let mut endpoints = Vec::new();
        endpoints.resize_with(256, || None);
        Self {
            endpoints,
            pages,
            generation,
            removing: false,
            removed: false,
            raw: None,
        }
    }

    pub fn endpoint(&self, endpoint: u8) -> Option<&ServedEndpoint> {
        self.endpoints.get(usize::from(endpoint))?.as_deref()
    }

    pub fn endpoint_mut(&mut self, endpoint: u8) -> Option<&mut ServedEndpoint> {
        self.endpoints
            .get_mut(usize::from(endpoint))?
            .as_deref_mut()
    }

    /// Puts an endpoint to its place, or takes it away.
    pub fn set_endpoint(&mut self, endpoint: u8, state: Option<ServedEndpoint>) {
        if let Some(place) = self.endpoints.get_mut(usize::from(endpoint)) {
            *place = state.map(Box::new);
        }
    }

    pub fn open(&self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(|endpoint| self.endpoint(*endpoint).is_some())
    }
}

/// All boards' endpoints, by the boards' numbers.
#[derive(Default)]
pub(crate) struct Slots(Vec<Option<BoardSlot>>);

impl Slots {
    pub fn board(&self, id: BoardId) -> Option<&BoardSlot> {
        self.0.get(usize::from(id.0))?.as_ref()
    }

    pub fn board_mut(&mut self, id: BoardId) -> Option<&mut BoardSlot> {
        self.0.get_mut(usize::from(id.0))?.as_mut()
    }

    pub fn set_board(&mut self, id: BoardId, state: Option<BoardSlot>) {
        let place = usize::from(id.0);
        if self.0.len() <= place {
            self.0.resize_with(place + 1, || None);
        }
        if let Some(slot) = self.0.get_mut(place) {
            *slot = state;
        }
    }

    pub fn count(&self) -> u16 {
        self.0.len() as u16
    }

    pub fn endpoint(&self, key: EndpointKey) -> Option<&ServedEndpoint> {
        self.board(key.board)?.endpoint(key.endpoint)
    }

    pub fn endpoint_mut(&mut self, key: EndpointKey) -> Option<&mut ServedEndpoint> {
        self.board_mut(key.board)?.endpoint_mut(key.endpoint)
    }

    /// An endpoint that may be used.
    pub fn usable(&self, key: EndpointKey) -> Option<&ServedEndpoint> {
        self.endpoint(key).filter(|endpoint| !endpoint.closing)
    }

    /// The pieces of a payload in shared memory, and what a frame that reads them is to be booked on. A process that
    /// names memory outside of its areas is to blame; a region may simply have gone.
    pub fn resolve(&self, source: &Source<'_>) -> Result<(Parts, Pinned), Unresolved> {
        let mut parts = Parts::new();
        let (slice, pinned) = match *source {
            Source::Bytes(_) => return Ok((parts, Pinned::Nothing)),
            Source::CommandData {
                owner,
                index,
                length,
            } => {
                let endpoint = self.usable(owner).ok_or(Unresolved::Gone)?;
                let slice = endpoint.side.command_data(index, length.into());
                (
                    slice.map_err(|_| Unresolved::OutOfArea(owner))?,
                    Pinned::Command(owner, index),
                )
            }
            Source::Transmit {
                owner,
                index,
                offset,
                length,
            } => {
                let endpoint = self.usable(owner).ok_or(Unresolved::Gone)?;
                let slice = endpoint.side.transmit(offset, length.into());
                (
                    slice.map_err(|_| Unresolved::OutOfArea(owner))?,
                    Pinned::Command(owner, index),
                )
            }
            Source::Region(extent) => {
                let region = self
                    .usable(extent.owner)
                    .and_then(|endpoint| endpoint.regions.usable(extent.region))
                    .ok_or(Unresolved::Gone)?;
                let parts = region.resolve(extent.offset, extent.length)?;
                return Ok((parts, Pinned::Region(extent.owner, extent.region)));
            }
        };
        parts.push(slice);
        Ok((parts, pinned))
    }
}

/// Why a payload's memory was not found.
pub(crate) enum Unresolved {
    /// It is not registered any more.
    Gone,
    /// The process named what lies outside of its areas.
    OutOfArea(EndpointKey),
}

impl From<BadMemory> for Unresolved {
    fn from(_: BadMemory) -> Self {
        Self::Gone
    }
}
