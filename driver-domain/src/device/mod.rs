//! One device of a guest: its 17 pages, its endpoints and regions, and the requests of its kernel.
//!
//! | file | what |
//! |---|---|
//! | `mod` | the device: connected, served, given back |
//! | `error` | why one could not be connected |
//! | `counted` | pages, and what they are charged with |
//! | `endpoint` | the memory of an endpoint and of a region |
//! | `requests` | what the guest's kernel asks for |
//! | `mapping` | requests that map pages, some in each turn |
//! | `raw` | the board's raw endpoint |
//! | `giving_back` | pages that are unmapped, some in each turn, and what ends |
//!
//! Everything here is bounded: requests are taken one after the other, pages are mapped and unmapped a few in each
//! turn, and what a guest may hold is limited. Whatever lies in the pages is an allegation of the guest's kernel: a
//! request that cannot be is refused, a ring that cannot be ends the device.

mod counted;
mod endpoint;
mod error;
mod giving_back;
mod mapping;
mod raw;
mod requests;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use mx_backend::{Backend, BoardId, BoardLimits, EndpointKey, FrameSink, HostName, Instant};
use mx_ring::BackendSide;
use mx_ring::board_page::{self, BoardPages};
use mx_ring::control::{
    ArmedCounters, BOARD_PAGE, BackendControl, ControlError, ControlResponse, DEVICE_PAGES,
    Doorbells, STAGING_PAGE, Staging, Status,
};
use mx_wire::MacAddress;

use crate::account::{self, Account, Charge, Limit, Refused};
use crate::memory::{Access, GuestPages, PageMapper};
use crate::rounds::Turn;
use counted::Counted;
use endpoint::MappedEndpoint;
pub use error::ConnectError;
use giving_back::Waste;
use mapping::Job;
use raw::Raw;

/// Who a device is.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// Address of its board.
    pub mac: MacAddress,
    /// Name of its board.
    pub name: HostName,
}

/// A guest's device whose pages are mapped: its board, and what its kernel asks for.
pub struct Device<M: PageMapper> {
    memory: M,
    account: Rc<Account>,
    _charge: Charge,
    /// Its control pages; unmapped when the device goes.
    _pages: Vec<M::Pages>,
    control: BackendControl,
    armed: ArmedCounters,
    doorbells: Doorbells,
    staging: Staging,
    board: BoardId,
    endpoint_max: u16,
    endpoints: BTreeMap<u8, MappedEndpoint<Counted<M::Pages>>>,
    job: Option<Job<Counted<M::Pages>>>,
    raw: Raw,
    /// Pages to be unmapped, and what is to be said when they are.
    waste: VecDeque<Waste<Counted<M::Pages>>>,
    responses: VecDeque<ControlResponse>,
    /// Pages that addresses are reserved for, mapped or not.
    held: usize,
    /// Something was written that the guest's kernel must look at.
    notify: bool,
    removed: bool,
    /// When it was last served.
    now: Instant,
}

fn answer(id: u32, status: Status) -> ControlResponse {
    ControlResponse {
        id,
        status,
        endpoint: 0,
    }
}

impl<M: PageMapper> Device<M> {
    /// Maps the device pages, whose first one is granted by `reference`, and adds the guest's board to the backend.
    pub fn connect(
        memory: M,
        account: &Rc<Account>,
        reference: u32,
        identity: Identity,
        endpoint_max: u16,
        now: Instant,
        backend: &mut Backend,
    ) -> Result<Self, ConnectError> {
        if memory.is_short() {
            return Err(Refused::NoMemory.into());
        }
        let charge = account.charge([
            (Limit::Devices, 1),
            (Limit::Heap, account::DEVICE),
            (Limit::Pages, DEVICE_PAGES),
        ])?;
        let map = |references: &[u32], access| {
            let mut pages = memory
                .reserve(references.len(), access)
                .ok_or(ConnectError::NoSpace)?;
            pages.map(references).map_err(ConnectError::Grant)?;
            Ok::<_, ConnectError>(pages)
        };
        let requests = map(&[reference], Access::Read)?;
        let references = BackendControl::references(&requests.slice())?;
        let adopting = BackendControl::adopting(&requests.slice())?;
        let responses = map(&references[1..2], Access::ReadWrite)?;
        let armed = map(&references[2..3], Access::Read)?;
        let doorbells = map(&references[3..4], Access::ReadWrite)?;
        let board_end = BOARD_PAGE + board_page::PAGES;
        let board = map(&references[BOARD_PAGE..board_end], Access::ReadWrite)?;
        let staging = map(&references[STAGING_PAGE..DEVICE_PAGES], Access::Read)?;
        let control = BackendControl::new(requests.slice(), responses.slice())?;
        let pages = BoardPages::new(board.slice())?;
        pages.format();
        let device_armed = ArmedCounters::new(armed.slice())?;
        let device_doorbells = Doorbells::new(doorbells.slice())?;
        let device_staging = Staging::new(staging.slice())?;
        let Identity { mac, name } = identity;
        let added = if adopting {
            backend.adopt_board(now, mac, name, pages)
        } else {
            backend.add_board(now, mac, name, pages)
        };
        let board_id = added.map_err(ConnectError::Board)?;
        backend.set_limits(now, board_id, board_limits(account));
        Ok(Self {
            memory,
            account: account.clone(),
            _charge: charge,
            _pages: vec![requests, responses, armed, doorbells, board, staging],
            control,
            armed: device_armed,
            doorbells: device_doorbells,
            staging: device_staging,
            board: board_id,
            endpoint_max,
            endpoints: BTreeMap::new(),
            job: None,
            raw: Raw::default(),
            waste: VecDeque::new(),
            responses: VecDeque::new(),
            held: 0,
            notify: false,
            removed: false,
            now,
        })
    }

    /// Whether this is what a completion for that board, or a wake of one of its endpoints, is about. The number of a board
    /// that is gone may be another device's already, while this one still gives memory back.
    pub fn serves(&self, board: BoardId) -> bool {
        self.board == board && !self.removed
    }

    /// The guest wants more than it may have: says so once in the log.
    fn refuse(&self, why: Refused) -> Status {
        if self.account.is_news(why) {
            self.say(format_args!("refused: {why}"));
        }
        Status::NoSpace
    }

    /// A warning about the guest for the log.
    fn say(&self, line: fmt::Arguments<'_>) {
        let board = self.board.0;
        self.account.say(
            self.now,
            log::Level::Warn,
            format_args!("board {board}: {line}"),
        );
    }

    /// The board that the device is to its guest.
    pub fn board(&self) -> BoardId {
        self.board
    }

    /// Whether the guest's kernel is to be notified; asks once.
    pub fn take_notify(&mut self) -> bool {
        core::mem::take(&mut self.notify)
    }

    /// Whether [`Self::take_notify`] says so.
    pub fn is_to_be_notified(&self) -> bool {
        self.notify
    }

    /// Pages of endpoints and regions that the guest holds.
    pub fn held(&self) -> usize {
        self.held
    }

    /// The guest's kernel sent an event: endpoints whose doorbell rang are polled again. False if it brought nothing: no
    /// command, no request, and no room for what waits to be answered.
    pub fn rung(&mut self, now: Instant, backend: &mut Backend) -> bool {
        let mut useful = self.is_asked();
        for group in 0..4 {
            let mut bits = self.doorbells.take_rung(group);
            while bits != 0 {
                let endpoint = (group as u32 * 64 + bits.trailing_zeros()) as u8;
                bits &= bits - 1;
                let key = self.key(endpoint);
                useful |= backend.command_waits(key);
                backend.kicked(now, key);
            }
        }
        useful
    }

    /// Its guest's limits are others than before.
    pub fn limits_changed(&self, now: Instant, backend: &mut Backend) {
        backend.set_limits(now, self.board, board_limits(&self.account));
    }

    /// Whether requests of the guest's kernel wait, or there is room for answers that do: there is something to
    /// [`Self::serve`].
    pub fn is_asked(&self) -> bool {
        if self.responses.is_empty() {
            self.control.request_waits()
        } else {
            self.control.can_respond()
        }
    }

    /// Events were published for an endpoint: wakes its sleeper if there is one.
    pub fn wake_if_armed(&mut self, endpoint: u8, side: &mut BackendSide) {
        if side.sleeper_armed(&self.armed, endpoint) {
            self.doorbells.wake(endpoint);
            self.notify = true;
        }
    }

    fn key(&self, endpoint: u8) -> EndpointKey {
        EndpointKey {
            board: self.board,
            endpoint,
        }
    }

    /// Goes on with what is to be done, with at most `budget` pages mapped or unmapped, as far as the share of the guest's
    /// board goes; whether there is more to do. An error ends the device.
    pub fn serve(
        &mut self,
        now: Instant,
        backend: &mut Backend,
        sink: &mut impl FrameSink,
        budget: &mut usize,
    ) -> Result<Turn, ControlError> {
        self.now = now;
        // A page costs about what a message does, as does a request.
        let share = backend.may_spend(self.board).min(*budget);
        let mut left = share;
        let served = self.serve_within(backend, sink, &mut left);
        let used = share - left;
        backend.spend(self.board, used);
        *budget -= used;
        served?;
        // The kernel makes room for answers without telling so. Nothing but memory that is given back goes on until then.
        let stuck = !self.responses.is_empty();
        let more = !self.waste.is_empty() || left == 0 || (self.job.is_some() && !stuck);
        Ok(match (more, stuck) {
            (true, _) => Turn::More,
            (false, true) => Turn::Later,
            (false, false) => Turn::Done,
        })
    }

    fn serve_within(
        &mut self,
        backend: &mut Backend,
        sink: &mut impl FrameSink,
        budget: &mut usize,
    ) -> Result<(), ControlError> {
        self.unmap(budget);
        self.flush_responses();
        while self.responses.is_empty() && *budget > 0 {
            if self.job.is_some() {
                self.go_on(self.now, backend, budget);
            } else {
                match self.control.next_request() {
                    None => break,
                    Some(request) => {
                        let (id, request) = request?;
                        // A request costs a share of the turn, too: nobody keeps the others waiting with cheap ones.
                        *budget -= 1;
                        self.request(self.now, backend, sink, budget, id, request);
                    }
                }
            }
            self.flush_responses();
        }
        Ok(())
    }

    fn flush_responses(&mut self) {
        while let Some(response) = self.responses.front() {
            if !self.control.respond(response) {
                break;
            }
            self.responses.pop_front();
            self.notify = true;
        }
    }

    fn respond(&mut self, id: u32, status: Status) {
        self.responses.push_back(answer(id, status));
    }

    /// The device goes: no request is taken any more. [`Self::gone`] tells when its memory is free.
    pub fn retire(&mut self, backend: &mut Backend) {
        match self.job.take() {
            Some(Job::Open { queues, .. }) => self.discard(queues, None),
            Some(Job::Register { .. }) | None => {}
        }
        if !self.removed {
            backend.remove_board(self.board);
        }
    }

    /// Goes on with giving memory back; whether the device holds nothing any more but its control pages, which go
    /// with it.
    pub fn gone(&mut self, budget: &mut usize) -> bool {
        self.unmap(budget);
        self.responses.clear();
        self.removed && self.waste.is_empty()
    }
}

/// What its board may have of what an account allows.
fn board_limits(account: &Account) -> BoardLimits {
    let limits = account.limits();
    BoardLimits {
        pulls: limits.get(Limit::Pulls),
        nacks: limits.get(Limit::Nacks),
    }
}
