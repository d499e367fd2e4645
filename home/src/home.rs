//! The home: boards, their endpoints and regions, and the turn that serves them.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use mx_board::{Blame, BoardId, Counters, EndpointKey, HostName, Instant};
use mx_ring::board_page::BoardPages;
use mx_ring::{Area, EntryError, HomeSide, RegionKey};
use mx_wire::{Format, MacAddress};

use crate::link::{Link, Sleepers, Token};

/// What a home is told at its start.
#[derive(Clone, Copy, Debug)]
pub struct HomeConfig {
    /// Wire mode and MTU, the same for all boards.
    pub format: Format,
    /// Which life of the home this is; processes see it change after a takeover.
    pub generation: u32,
    /// Endpoints that each board may have open, at most 256.
    pub endpoint_max: u16,
    /// Name of the interface, NUL-padded, for the board pages.
    pub interface: [u8; 16],
    /// Name of the card's driver, NUL-padded, for the board pages.
    pub driver: [u8; 16],
    /// How long an endpoint without commands is still polled.
    pub idle_spell: Duration,
    /// Random; beacon serials and pull handles follow from it.
    pub seed: u64,
}

/// Why a board was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddBoardError {
    /// A group address, or all zeros.
    BadAddress(MacAddress),
    /// Another board of this home has this address.
    AddressInUse(MacAddress),
    /// The home has as many boards as it can hold.
    TooMany,
}

/// Why an endpoint was not opened or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointError {
    /// No such board.
    NoBoard,
    /// The index is beyond the board's limit.
    BadIndex,
    /// It is open, or still being given back.
    Busy,
    /// It is not open.
    NotOpen,
}

/// Why a region was not registered or given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionError {
    /// The endpoint is not open.
    NotOpen,
    /// The slot is in use, or still being given back.
    Busy,
    /// The slot is beyond the limit of an endpoint.
    BadSlot,
    /// No such region.
    NotFound,
    /// The region is empty, longer than 4 GiB, or an inner part is no whole number of pages.
    BadParts,
}

/// Something that was asked for, or had to be done, is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// Nothing reads or writes the endpoint's memory any more, nor that of its regions.
    EndpointClosed(EndpointKey),
    /// Nothing reads or writes the region any more.
    RegionReleased(EndpointKey, RegionKey),
    /// All endpoints of the board are closed, and the board is gone.
    BoardRemoved(BoardId),
    /// The process behind this endpoint wrote what cannot be: the endpoint is closing, `EndpointClosed` follows.
    Misbehaved(EndpointKey, Misbehaviour),
}

/// What a process wrote that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misbehaviour {
    /// An entry of the command queue without a meaning.
    Entry(EntryError),
    /// A command that names memory outside of the endpoint's areas.
    OutOfArea,
    /// A consumer index that cannot be.
    ImpossibleIndex,
    /// A command that an honest library never gives.
    Command(Blame),
}

/// How a turn went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Something was done, or an endpoint is still polled: take another turn soon. If not, every endpoint has asked to
    /// be kicked, and the owner may arm its card and sleep until a frame, a kick, or `deadline`.
    pub busy: bool,
    /// When the next timer is due, if there is one.
    pub deadline: Option<Instant>,
}

/// Boards, endpoints, regions.
///
/// Methods that may send take the [`Link`]; none of them blocks.
pub struct Home {
    config: HomeConfig,
}

impl Home {
    /// A home without boards.
    pub fn new(config: HomeConfig) -> Self {
        Self { config }
    }

    /// Adds a board. `pages` (formatted, zeroed otherwise) is where its description, peers and counters are published.
    /// A board of a guest that may have endpoints from an earlier life of the home starts deaf (`adopted` false): it
    /// drops what it receives, without a nack, until [`Self::adopted`].
    pub fn add_board(
        &mut self,
        now: Instant,
        mac: MacAddress,
        name: HostName,
        pages: BoardPages,
        adopted: bool,
    ) -> Result<BoardId, AddBoardError> {
        unimplemented!()
    }

    /// The guest has registered all its endpoints and regions: the board may answer the network.
    pub fn adopted(&mut self, now: Instant, board: BoardId) {
        unimplemented!()
    }

    /// Closes all endpoints of a board and removes it: [`Completion::EndpointClosed`] for each of them, then
    /// [`Completion::BoardRemoved`]. The board pages are not written after this call.
    pub fn remove_board(&mut self, board: BoardId) {
        unimplemented!()
    }

    /// Opens an endpoint over its mapped queues. The session is random, chosen by whoever opened it for the process.
    pub fn open_endpoint(
        &mut self,
        now: Instant,
        endpoint: EndpointKey,
        session: u32,
        side: HomeSide,
    ) -> Result<(), EndpointError> {
        unimplemented!()
    }

    /// Closes an endpoint; [`Completion::EndpointClosed`] follows, when its areas and regions may be unmapped.
    pub fn close_endpoint(&mut self, endpoint: EndpointKey) -> Result<(), EndpointError> {
        unimplemented!()
    }

    /// Makes mapped memory of a process known. All parts but the first and the last are whole pages.
    pub fn register_region(
        &mut self,
        endpoint: EndpointKey,
        region: RegionKey,
        writable: bool,
        parts: Vec<Area>,
    ) -> Result<(), RegionError> {
        unimplemented!()
    }

    /// Bars a region from new use and ends pulls into it; [`Completion::RegionReleased`] follows, when it may be
    /// unmapped.
    pub fn deregister_region(
        &mut self,
        endpoint: EndpointKey,
        region: RegionKey,
    ) -> Result<(), RegionError> {
        unimplemented!()
    }

    /// A frame came in. Group frames are for all boards, others for the board of their destination.
    pub fn frame(&mut self, now: Instant, frame: &[u8], link: &mut impl Link) {
        unimplemented!()
    }

    /// The link no longer reads the frame of this token.
    pub fn token_sent(&mut self, token: Token) {
        unimplemented!()
    }

    /// The doorbell of an endpoint rang, or its eventfd: poll it again.
    pub fn kicked(&mut self, now: Instant, endpoint: EndpointKey) {
        unimplemented!()
    }

    /// The link went up or down: tell the processes.
    pub fn set_link_up(&mut self, up: bool) {
        unimplemented!()
    }

    /// One bounded turn: commands, pull replies, local copies, timers, wakes, counters.
    pub fn turn(
        &mut self,
        now: Instant,
        link: &mut impl Link,
        sleepers: &mut impl Sleepers,
    ) -> Activity {
        unimplemented!()
    }

    /// The next thing that is complete. To be asked after each turn until `None`.
    pub fn next_completion(&mut self) -> Option<Completion> {
        unimplemented!()
    }

    /// Whether frames in flight have held up a close or a deregistration for 200 ms: the owner then resets its transmit
    /// ring and reports all tokens.
    pub fn overdue(&self, now: Instant) -> bool {
        unimplemented!()
    }

    /// The address and name of a board.
    pub fn board(&self, board: BoardId) -> Option<(MacAddress, HostName)> {
        unimplemented!()
    }

    /// The counters of a board.
    pub fn counters(&self, board: BoardId) -> Option<&Counters> {
        unimplemented!()
    }
}
