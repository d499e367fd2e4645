//! The backend: boards, their endpoints and regions, and how they come and go.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use mx_board::{
    AddBoardError, BoardId, BoardLimits, BoardUsage, ChangeError, Counters, EndpointError,
    EndpointKey, Full, HostName, Instant, PeerLeft, PeerTable, Settings, Switch,
};
use mx_ring::admin::Change;
use mx_ring::board_page::{BoardPages, COUNTERS, PEERS};
use mx_ring::control::Status;
use mx_ring::warning::{Notice, Notices, Warning};
use mx_ring::{BackendSide, RegionKey, VolatileSlice};
use mx_wire::{Format, MacAddress};

use crate::endpoint::{BoardSlot, ServedEndpoint, Slots};
use crate::error::{Misbehaviour, RegionError};
use crate::frame_sink::{FrameSink, Handed, Payload, Token};
use crate::in_flight::{CommandsInFlight, Pinned};
use crate::ports::{BackendPorts, Outcome};
use crate::region::RegionTable;
use crate::senders::Senders;
use crate::tap::Tap;

/// How long frames in flight may hold up a close or a deregistration before the transmit ring is to be reset.
const QUIESCE: Duration = Duration::from_millis(200);

/// What a backend is told at its start.
#[derive(Clone, Copy, Debug)]
pub struct BackendConfig {
    /// Wire mode and MTU, the same for all boards.
    pub format: Format,
    /// A number that no other backend of the same boards has in its lower half. The upper half counts what it takes over;
    /// processes see the whole change.
    pub generation: u32,
    /// Endpoints that each board may have open, at most 256.
    pub endpoint_max: u16,
    /// Queue entries of an endpoint whose program does not ask for another number: a power of two.
    pub queue_entries: u16,
    /// Name of the interface, NUL-padded, for the board pages.
    pub interface: [u8; 16],
    /// Name of the card's driver, NUL-padded, for the board pages.
    pub driver: [u8; 16],
    /// How long an endpoint without commands is still polled.
    pub idle_spell: Duration,
    /// Random; beacon serials and pull handles follow from it.
    pub seed: u64,
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

impl Completion {
    /// The board that it is about.
    pub const fn board(self) -> BoardId {
        match self {
            Self::EndpointClosed(key) | Self::RegionReleased(key, _) | Self::Misbehaved(key, _) => {
                key.board
            }
            Self::BoardRemoved(board) => board,
        }
    }
}

/// What waits for frames in flight, and since when.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    key: EndpointKey,
    /// A region of the endpoint, or the endpoint itself.
    region: Option<RegionKey>,
    since: Instant,
}

/// Boards, endpoints, regions.
///
/// Methods that may send take the [`FrameSink`]; none of them blocks.
pub struct Backend {
    pub(crate) config: BackendConfig,
    pub(crate) switch: Switch,
    pub(crate) slots: Slots,
    pub(crate) outcome: Outcome,
    /// Who looks on.
    pub(crate) tap: Option<Box<dyn Tap>>,
    pub(crate) link_up: bool,
    /// Payload bytes of a frame that the interface takes, where they are too few.
    pub(crate) short_mtu: u32,
    /// What is wrong with the interface.
    pub(crate) faults: Notices,
    /// What boards have found wrong with the network, and nobody was told of.
    pub(crate) unsaid: VecDeque<(BoardId, Warning, Notice)>,
    /// When something was last done.
    pub(crate) active_at: Instant,
    pub(crate) counters_due: Instant,
    /// Boards that were taken over so far.
    adopted: u32,
    /// The idle spell in nanoseconds.
    pub(crate) idle_nanos: u64,
    /// Regions and endpoints that wait for frames in flight, the oldest first.
    waiting: Vec<Waiting>,
    completions: VecDeque<Completion>,
    pub(crate) now: Instant,
}

/// Where nothing is sent: for the calls that only announce changes.
struct NoSink;

impl FrameSink for NoSink {
    fn transmit(&mut self, _: &[u8], _: Payload<'_>, _: Token) -> Result<Handed, Full> {
        Err(Full)
    }
}

impl Backend {
    /// A backend without boards.
    pub fn new(config: BackendConfig) -> Self {
        Self {
            config,
            switch: Switch::new(Settings {
                format: config.format,
                endpoint_max: config.endpoint_max,
                // Processes see no peers beyond their board's pages.
                peer_max: PEERS as u16,
                seed: config.seed,
            }),
            slots: Slots::default(),
            outcome: Outcome::default(),
            tap: None,
            link_up: true,
            short_mtu: 0,
            faults: Notices::default(),
            unsaid: VecDeque::new(),
            active_at: Instant::default(),
            counters_due: Instant::default(),
            adopted: 0,
            idle_nanos: config.idle_spell.as_nanos() as u64,
            waiting: Vec::new(),
            completions: VecDeque::new(),
            now: Instant::default(),
        }
    }

    /// From now on shows every frame to this one.
    pub fn set_tap(&mut self, tap: Box<dyn Tap>) {
        self.tap = Some(tap);
    }

    /// Calls the switch with its ports.
    pub(crate) fn with_switch<L: FrameSink, R>(
        &mut self,
        sink: &mut L,
        call: impl FnOnce(&mut Switch, &mut BackendPorts<'_, L>) -> R,
    ) -> R {
        let mut ports = BackendPorts {
            now: self.now,
            sink,
            slots: &mut self.slots,
            outcome: &mut self.outcome,
            tap: &mut self.tap,
            idle_nanos: self.idle_nanos,
        };
        call(&mut self.switch, &mut ports)
    }

    /// Adds a board. `pages` (formatted, zeroed otherwise) is where its description, peers and counters are published.
    pub fn add_board(
        &mut self,
        now: Instant,
        mac: MacAddress,
        name: HostName,
        pages: BoardPages,
    ) -> Result<BoardId, AddBoardError> {
        self.now = now;
        let id = self.with_switch(&mut NoSink, |switch, ports| {
            switch.add_board(now, mac, name, ports)
        })?;
        let slot = BoardSlot::new(pages, self.config.generation);
        self.slots.set_board(id, Some(slot));
        self.publish_changes();
        Ok(id)
    }

    /// Takes over a board that another backend has had (interfaces §7), with the peers that `pages` allege. It is muted
    /// until [`Self::board_ready`]: what it receives is dropped without a nack, and no command is taken.
    pub fn adopt_board(
        &mut self,
        now: Instant,
        mac: MacAddress,
        name: HostName,
        pages: BoardPages,
    ) -> Result<BoardId, AddBoardError> {
        self.now = now;
        let left: Vec<_> = (0..PEERS as u16)
            .map(|index| {
                let peer = pages.peer_left(index)?;
                let name = HostName::new(&peer.hostname);
                Some(PeerLeft {
                    mac: peer.mac,
                    name,
                    reverse: peer.reverse,
                    fixed: peer.fixed,
                })
            })
            .collect();
        let id = self.with_switch(&mut NoSink, |switch, ports| {
            switch.adopt_board(now, mac, name, &left, ports)
        })?;
        let generation = self.another_generation(pages.generation());
        self.slots
            .set_board(id, Some(BoardSlot::new(pages, generation)));
        for counter in 0..COUNTERS {
            pages.set_counter(counter, 0);
        }
        self.publish_changes();
        Ok(id)
    }

    /// A number that no board of this backend has had, nor the board that is taken over.
    fn another_generation(&mut self, before: u32) -> u32 {
        loop {
            self.adopted = self.adopted.wrapping_add(1);
            let generation = self.config.generation.wrapping_add(self.adopted << 16);
            if generation != before && generation != 0 {
                return generation;
            }
        }
    }

    /// The guest has registered all its endpoints and regions: the board answers the network from now on, and takes
    /// commands.
    pub fn board_ready(&mut self, now: Instant, board: BoardId) {
        self.now = now;
        let Some(slot) = self.slots.board(board).filter(|slot| !slot.removing) else {
            return;
        };
        let open: Vec<u8> = slot.open().collect();
        self.switch.set_muted(now, board, false);
        for endpoint in open {
            self.kicked(now, EndpointKey { board, endpoint });
        }
        self.describe(board);
    }

    /// Changes a board for the administrator of its machine: whether who asks is one, the caller has checked.
    pub fn change(
        &mut self,
        now: Instant,
        board: BoardId,
        change: &Change,
    ) -> Result<(), ChangeError> {
        self.now = now;
        self.with_switch(&mut NoSink, |switch, ports| {
            switch.change(now, board, change, ports)
        })?;
        self.publish_changes();
        self.describe(board);
        self.publish_counters(now, true);
        Ok(())
    }

    /// Closes all endpoints of a board and removes it: [`Completion::EndpointClosed`] for each of them, then
    /// [`Completion::BoardRemoved`]. The board pages are not written after this call.
    pub fn remove_board(&mut self, board: BoardId) {
        let Some(slot) = self.slots.board_mut(board) else {
            return;
        };
        if slot.removing {
            return;
        }
        slot.removing = true;
        let open: Vec<u8> = slot.open().collect();
        self.switch.set_muted(self.now, board, true);
        for endpoint in open {
            self.close(EndpointKey { board, endpoint });
        }
        self.finish_removal(board);
    }

    /// Has the removal of a board told once its last endpoint is closed.
    fn finish_removal(&mut self, board: BoardId) {
        if let Some(slot) = self.slots.board_mut(board)
            && slot.removing
            && !slot.removed
            && slot.open().next().is_none()
        {
            slot.removed = true;
            self.completions.push_back(Completion::BoardRemoved(board));
        }
    }

    /// Opens an endpoint over its mapped queues. The session is random, chosen by whoever opened it for the process.
    pub fn open_endpoint(
        &mut self,
        now: Instant,
        endpoint: EndpointKey,
        session: u32,
        side: BackendSide,
    ) -> Result<(), EndpointError> {
        self.now = now;
        let slot = self
            .slots
            .board_mut(endpoint.board)
            .filter(|slot| !slot.removing)
            .ok_or(EndpointError::NoBoard)?;
        if slot.endpoint(endpoint.endpoint).is_some() {
            return Err(EndpointError::Busy);
        }
        let geometry = side.layout().geometry();
        let index = side.command_index();
        self.switch
            .open_endpoint(endpoint, session, geometry.expected)?;
        slot.set_endpoint(
            endpoint.endpoint,
            Some(ServedEndpoint {
                senders: Senders::new(geometry.unexpected, side.unexpected_index()),
                side,
                regions: RegionTable::default(),
                commands: CommandsInFlight::new(geometry.commands, index),
                in_flight: 0,
                closing: false,
                blamed: None,
                active_at: now,
                published: false,
            }),
        );
        self.kicked(now, endpoint);
        Ok(())
    }

    /// The same with an endpoint that another backend has served, whose side was adopted. Whoever sleeps on it is woken.
    pub fn adopt_endpoint(
        &mut self,
        now: Instant,
        endpoint: EndpointKey,
        session: u32,
        side: BackendSide,
    ) -> Result<(), EndpointError> {
        self.open_endpoint(now, endpoint, session, side)?;
        if let Some(open) = self.slots.endpoint_mut(endpoint) {
            open.published = true;
            self.outcome.published.push(endpoint);
        }
        Ok(())
    }

    /// Closes an endpoint; [`Completion::EndpointClosed`] follows, when its areas and regions may be unmapped.
    pub fn close_endpoint(&mut self, endpoint: EndpointKey) -> Result<(), EndpointError> {
        if self.slots.board(endpoint.board).is_none() {
            return Err(EndpointError::NoBoard);
        }
        match self.slots.endpoint(endpoint) {
            None => Err(EndpointError::NotOpen),
            Some(open) if open.closing => Err(EndpointError::Busy),
            Some(_) => {
                self.close(endpoint);
                Ok(())
            }
        }
    }

    fn close(&mut self, key: EndpointKey) {
        let Some(endpoint) = self.slots.endpoint_mut(key).filter(|open| !open.closing) else {
            return;
        };
        endpoint.closing = true;
        // An endpoint that is open here is open there.
        let _known = self.switch.close_endpoint(self.now, key);
        self.waiting.retain(|waiting| waiting.key != key);
        self.waiting.push(Waiting {
            key,
            region: None,
            since: self.now,
        });
        self.quiesced(key, None);
    }

    /// Closes the endpoints whose process is to blame, and says why.
    pub(crate) fn close_blamed(&mut self) {
        while let Some(key) = self.outcome.blamed.pop() {
            let Some(endpoint) = self.slots.endpoint_mut(key) else {
                continue;
            };
            let Some(misbehaviour) = endpoint.blamed.filter(|_| !endpoint.closing) else {
                continue;
            };
            endpoint.side.set_status(Status::Misbehaved as u32);
            self.completions
                .push_back(Completion::Misbehaved(key, misbehaviour));
            self.close(key);
        }
    }

    /// Makes mapped memory of a process known. All parts but the first and the last are whole pages.
    pub fn register_region(
        &mut self,
        endpoint: EndpointKey,
        region: RegionKey,
        writable: bool,
        parts: Vec<VolatileSlice>,
    ) -> Result<(), RegionError> {
        self.slots
            .endpoint_mut(endpoint)
            .filter(|endpoint| !endpoint.closing)
            .ok_or(RegionError::NotOpen)?
            .regions
            .register(region, writable, parts)
    }

    /// Bars a region from new use and ends pulls into it; [`Completion::RegionReleased`] follows, when it may be
    /// unmapped.
    pub fn deregister_region(
        &mut self,
        endpoint: EndpointKey,
        region: RegionKey,
    ) -> Result<(), RegionError> {
        let known = self
            .slots
            .endpoint_mut(endpoint)
            .filter(|endpoint| !endpoint.closing)
            .ok_or(RegionError::NotOpen)?
            .regions
            .any_mut(region)
            .ok_or(RegionError::NotFound)?;
        if known.retiring {
            return Err(RegionError::Busy);
        }
        known.retiring = true;
        self.switch.deregister(endpoint, region);
        self.waiting.push(Waiting {
            key: endpoint,
            region: Some(region),
            since: self.now,
        });
        self.quiesced(endpoint, Some(region));
        Ok(())
    }

    /// The sink no longer reads the frame of this token.
    pub fn token_sent(&mut self, token: Token) {
        let (key, region) = match token.pinned() {
            Pinned::Nothing => return,
            Pinned::Command(key, _) => (key, None),
            Pinned::Region(key, region) => (key, Some(region)),
        };
        let Some(endpoint) = self.slots.endpoint_mut(key) else {
            return;
        };
        endpoint.in_flight = endpoint.in_flight.saturating_sub(1);
        if let Pinned::Command(_, index) = token.pinned() {
            endpoint.commands.end(index);
            let sent = endpoint.commands.sent(endpoint.side.command_index());
            endpoint.side.publish_commands(sent);
        }
        if let Some(region) = region.and_then(|region| endpoint.regions.any_mut(region)) {
            region.in_flight = region.in_flight.saturating_sub(1);
        }
        self.quiesced(key, region);
        self.quiesced(key, None);
    }

    /// Completes what waited for frames in flight: the deregistration of a region, or the close of the endpoint.
    fn quiesced(&mut self, key: EndpointKey, region: Option<RegionKey>) {
        let Some(endpoint) = self.slots.endpoint_mut(key) else {
            return;
        };
        match region {
            Some(region) => {
                let quiet = endpoint
                    .regions
                    .any_mut(region)
                    .is_some_and(|known| known.retiring && known.in_flight == 0);
                if !quiet || endpoint.closing {
                    return;
                }
                endpoint.regions.remove(region);
                self.completions
                    .push_back(Completion::RegionReleased(key, region));
            }
            None => {
                if !endpoint.closing || endpoint.in_flight > 0 {
                    return;
                }
                if let Some(slot) = self.slots.board_mut(key.board) {
                    slot.set_endpoint(key.endpoint, None);
                }
                self.completions.push_back(Completion::EndpointClosed(key));
            }
        }
        self.waiting
            .retain(|waiting| waiting.key != key || waiting.region != region);
        if region.is_none() {
            self.finish_removal(key.board);
        }
    }

    /// How long an endpoint without commands is still polled, from now on.
    pub fn set_idle_spell(&mut self, spell: Duration) {
        self.idle_nanos = spell.as_nanos() as u64;
    }

    /// Whether frames in flight have held up a close or a deregistration for 200 ms: the owner then resets its transmit
    /// ring and reports all tokens.
    pub fn overdue(&self, now: Instant) -> bool {
        self.overdue_at().is_some_and(|at| at <= now)
    }

    /// When [`Self::overdue`] may become true.
    pub(crate) fn overdue_at(&self) -> Option<Instant> {
        self.waiting.first().map(|waiting| waiting.since + QUIESCE)
    }

    /// The next thing that is complete. To be asked after each turn until `None`. The number of a board is given to
    /// another one only after its removal was told: until then it means this one.
    pub fn next_completion(&mut self) -> Option<Completion> {
        let completion = self.completions.pop_front()?;
        if let Completion::BoardRemoved(board) = completion {
            self.slots.set_board(board, None);
            self.with_switch(&mut NoSink, |switch, ports| {
                switch.remove_board(board, ports);
            });
            self.publish_changes();
        }
        Some(completion)
    }

    /// Bounds the slots for running pulls that boards have besides a few of their own. To be called before there are boards.
    pub fn share_pulls(&mut self, count: u32) {
        self.switch.share_pulls(count);
    }

    /// Bounds what a board may have from now on.
    pub fn set_limits(&mut self, now: Instant, board: BoardId, limits: BoardLimits) {
        self.switch.set_limits(now, board, limits);
    }

    /// As much as so many messages may be done for a board now, besides what the backend does for it.
    pub fn may_spend(&self, board: BoardId) -> usize {
        self.switch.may_spend(board)
    }

    /// As much as so many messages was done for a board by the backend's owner.
    pub fn spend(&mut self, board: BoardId, messages: usize) {
        self.switch.spend(board, messages);
    }

    /// Whether an endpoint has commands: else it was kicked for nothing.
    pub fn command_waits(&self, endpoint: EndpointKey) -> bool {
        let open = self.slots.usable(endpoint);
        open.is_some_and(|open| open.side.command_waits())
    }

    /// What a board has of what all share.
    pub fn usage(&self, board: BoardId) -> Option<BoardUsage> {
        Some(self.switch.board(board)?.usage())
    }

    /// The address and name of a board.
    pub fn board(&self, board: BoardId) -> Option<(MacAddress, HostName)> {
        self.slots.board(board).filter(|slot| !slot.removing)?;
        let board = self.switch.board(board)?;
        Some((board.mac(), *board.name()))
    }

    /// The peers of a board.
    pub fn peers(&self, board: BoardId) -> Option<&PeerTable> {
        Some(self.switch.board(board)?.peers())
    }

    /// Open endpoints of a board, and how many of them are polled.
    pub fn endpoints(&self, board: BoardId) -> Option<(usize, usize)> {
        let slot = self.slots.board(board)?;
        Some((slot.open().count(), self.switch.board(board)?.polled()))
    }

    /// The counters of a board.
    pub fn counters(&self, board: BoardId) -> Option<&Counters> {
        Some(self.switch.board(board)?.counters())
    }
}
