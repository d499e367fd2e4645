//! Endpoints: the Rust API.
//!
//! Requests are numbers that belong to one endpoint. All calls may come from several threads; each endpoint has one
//! lock. Nothing happens but within calls: a message that needs to be sent again waits until the application calls.

mod attendance;
mod buffer;
mod closing;
mod elsewhere;
mod handler;
mod handling;
mod held;
mod neighbours;
mod nonblocking;
mod options;
mod polling;
pub(crate) mod port;
mod readings;
mod siblings;
mod spin;
pub(crate) mod state;
mod thread;
mod unexpected;
mod wait;

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use attendance::Attendance;
use mx_engine::Code;
use mx_engine::{Memory, PartnerKey, RequestKey, Selection};
use mx_ring::fork_guard::ForkGuard;
use mx_ring::heap;
use mx_ring::{EndpointLayout, ProcessSide};
use mx_wire::MacAddress;
use slotmap::{Key, KeyData};

use crate::backend::{Backend, CallError, Greeted, Marks, Regions};
use crate::board::Board;
use crate::environment;
use crate::error::Error;
pub use buffer::Buffer;
pub use elsewhere::Sleep;
pub use handling::{UnexpectedHandler, UnexpectedMessage};
use held::Held;
pub use options::EndpointOptions;
use polling::Polling;
use port::Port;
use state::EndpointState;

/// A request of an endpoint. It is used up when its completion is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Request(RequestKey);

impl Request {
    /// As a number that is never 0.
    pub fn to_number(self) -> u64 {
        self.0.data().as_ffi()
    }

    /// From its number. A number that is no request's is found out when it is used.
    pub fn from_number(number: u64) -> Self {
        Self(KeyData::from_ffi(number).into())
    }
}

/// A remote endpoint, as one endpoint of this process names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// What that endpoint of this process calls it.
    pub partner: PartnerKey,
    /// Address of its board: 48 bits, the first byte the most significant.
    pub nic_id: u64,
    /// Its index at that board.
    pub endpoint: u32,
    /// Its session when this address was made.
    pub session: u32,
}

/// How a request ended, or what a probe found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Success, or what went wrong.
    pub code: Code,
    /// The other side, as far as it is known.
    pub address: Option<Address>,
    /// Match info: of a receive, the message's.
    pub match_info: u64,
    /// Bytes of the message.
    pub message_length: u32,
    /// Bytes that were transferred.
    pub transferred: u32,
    /// The application's own word.
    pub context: u64,
}

/// An open endpoint. It is closed when it is dropped: what is not acknowledged then is lost. A forked child has nothing
/// of it: calls there fail, and closing it does nothing.
pub struct Endpoint {
    held: Arc<Held>,
}

impl Endpoint {
    /// Opens an endpoint.
    pub fn open(backend: &Backend, options: &EndpointOptions) -> Result<Self, Error> {
        if !heap::has_room(heap::ROOM) {
            return Err(Error::NO_MEMORY);
        }
        let greeted = backend.channel()?;
        let layout = options.layout(backend, &greeted)?;
        Self::open_by(greeted, layout, options)
    }

    /// Opens an endpoint by a channel that has told what it is.
    pub(crate) fn open_by(
        greeted: Greeted,
        layout: EndpointLayout,
        options: &EndpointOptions,
    ) -> Result<Self, Error> {
        let (number, opened) = options.open(&greeted, &layout)?;
        let process = ProcessSide::new(layout, opened.w.slice(), opened.r.slice())
            .map_err(|_| Error::Confused)?;
        let marks = opened.notes.map(|page| Marks::new(page, opened.w.slice()));
        let marks = marks.transpose().map_err(|_| Error::Confused)?;
        let channel = greeted.channel;
        let communication = environment::communication();
        let cache = communication.registration_cache.unwrap_or(true);
        let mut regions = Regions::new(channel.clone(), greeted.user_memory, marks, cache);
        regions.make_reserves()?;
        let port = Port::new(process, regions);
        let board = Board::new(opened.board)?;
        let (endpoint, key) = (opened.endpoint, options.key);
        let context_ids = options.context_ids.or(communication.context_ids);
        let mut state = EndpointState::new(port, board, endpoint, opened.session, key, |config| {
            communication.adjust(config);
            config.context_ids = context_ids.unwrap_or_default();
        })?;
        if communication.self_by_network {
            let peer = state.peer_by_nic_id(state.own.0)?;
            let endpoint = u8::try_from(endpoint).map_err(|_| Error::NoEndpoint(endpoint))?;
            state.engine.loop_back_by_network(peer, endpoint);
        }
        if communication.shared.unwrap_or(true) {
            state.share_with_neighbours(number, channel.clone());
        }
        tracing::info!(
            "endpoint {endpoint} of board {} is open: session {:08x}",
            MacAddress::from_nic_id(state.own.0),
            opened.session
        );
        communication.bind(MacAddress::from_nic_id(state.own.0), endpoint);
        for queues in [&opened.w, &opened.r] {
            queues.keep_from_children().map_err(CallError::from)?;
        }
        let held = Arc::new(Held {
            state: Mutex::new(state),
            moved: Condvar::new(),
            channel,
            fork_guard: ForkGuard::new().map_err(CallError::from)?,
            attendance: Attendance::default(),
            polling: Polling::default(),
            never_sleeps: communication.wait_spins,
            interruptible: communication.wait_interruptible,
            board: number,
            _w: opened.w,
            _r: opened.r,
        });
        siblings::add(&held);
        Ok(Self { held })
    }

    /// Number of the board.
    pub fn board_number(&self) -> u32 {
        self.held.board
    }

    /// Runs a look at the board's pages.
    pub fn with_board<T>(&self, look: impl FnOnce(&Board) -> Result<T, Error>) -> Result<T, Error> {
        look(&self.held.enter()?.board)
    }

    /// The address by which others connect to it.
    pub fn address(&self) -> Result<Address, Error> {
        let state = self.held.enter()?;
        let own = state.engine.loopback();
        state.address(own).ok_or(Error::Confused)
    }

    /// Starts to connect to an endpoint of a peer. The request's status has its address.
    pub fn iconnect(
        &self,
        nic_id: u64,
        endpoint: u32,
        key: u32,
        match_info: u64,
        context: u64,
    ) -> Result<Request, Error> {
        self.held.with(|state| {
            look_for_room(state)?;
            let request = if (nic_id, endpoint) == state.own && !state.engine.loopback_by_network()
            {
                state.engine.connect_own(key, match_info, context)
            } else {
                let endpoint = u8::try_from(endpoint).map_err(|_| Error::NoEndpoint(endpoint))?;
                let peer = state.peer_by_nic_id(nic_id)?;
                let EndpointState { engine, port, .. } = state;
                engine.connect(peer, endpoint, key, match_info, context, port)
            };
            Ok(Request(request))
        })
    }

    /// Connects and waits for the answer, or until [`Self::wakeup`] is called.
    pub fn connect(
        &self,
        nic_id: u64,
        endpoint: u32,
        key: u32,
        timeout: Option<Duration>,
    ) -> Result<Address, Error> {
        let wakeups = self.held.enter()?.wakeups;
        let request = self.iconnect(nic_id, endpoint, key, 0, 0)?;
        let ended = self.held.wait_until(timeout, |state| {
            let ended = done(state, request).transpose();
            ended.or_else(|| (state.wakeups != wakeups).then_some(Err(Error::Woken)))
        });
        let ended = ended.and_then(Option::transpose);
        let Some(status) = ended.inspect_err(|_| drop(self.cancel(request)))? else {
            self.cancel(request)?;
            return Err(Error::Connect(Code::Timeout));
        };
        match (status.code, status.address) {
            (Code::Success, Some(address)) => Ok(address),
            (Code::Success, None) => Err(Error::Confused),
            (Code::RemoteEndpointUnreachable, _) => Err(Error::Connect(Code::Timeout)),
            (code, _) => Err(Error::Connect(code)),
        }
    }

    /// The address of a remote endpoint before anything has passed: what is received from it can be asked for by this
    /// address, and what is sent to it once it [is connected](Self::is_connected).
    pub fn name(&self, nic_id: u64, endpoint: u32) -> Result<Address, Error> {
        self.held.with(|state| {
            let partner = if (nic_id, endpoint) == state.own && !state.engine.loopback_by_network()
            {
                state.engine.loopback()
            } else {
                let endpoint = u8::try_from(endpoint).map_err(|_| Error::NoEndpoint(endpoint))?;
                let peer = state.peer_by_nic_id(nic_id)?;
                state.engine.partner(peer, endpoint)
            };
            state.address(partner).ok_or(Error::Confused)
        })
    }

    /// Whether there is a relation with a remote endpoint, by whoever of the two has connected.
    pub fn is_connected(&self, address: Address) -> Result<bool, Error> {
        self.held.with(|state| {
            let (_, _, session) = state
                .engine
                .describe(address.partner)
                .ok_or(Error::StrangeAddress)?;
            Ok(session.is_some() || address.partner == state.engine.loopback())
        })
    }

    /// Ends the relation with a partner. Its address can be used again after another connect. If somebody else has opened
    /// the partner's endpoint by now, and has connected, the relation has ended already: the new one stays.
    pub fn disconnect(&self, address: Address) -> Result<(), Error> {
        self.held.with(|state| {
            let present = state.address(address.partner);
            if present.is_none_or(|present| present.session == address.session) {
                let EndpointState { engine, port, .. } = state;
                engine.disconnect(address.partner, port);
            }
            Ok(())
        })
    }

    /// Starts a send. `synchronous`: it is done when the message was matched.
    pub fn isend(
        &self,
        memory: Memory,
        to: Address,
        match_info: u64,
        context: u64,
        synchronous: bool,
    ) -> Result<Request, Error> {
        self.isend_here(memory, to, match_info, context, synchronous)
    }

    /// The same, as a part of the calling function: for the one that a program repeats.
    #[inline(always)]
    pub fn isend_here(
        &self,
        memory: Memory,
        to: Address,
        match_info: u64,
        context: u64,
        synchronous: bool,
    ) -> Result<Request, Error> {
        let mut state = self.held.enter_open()?;
        look_for_room(&state)?;
        let begun = self.held.begin(&mut state);
        let EndpointState { engine, port, .. } = &mut *state;
        let partner = to.partner;
        let request = engine.send(partner, memory, match_info, context, synchronous, port);
        self.held.end(state, begun);
        Ok(Request(request))
    }

    /// Starts a receive of a message whose match info, masked, is `match_info`.
    pub fn irecv(
        &self,
        memory: Memory,
        match_info: u64,
        mask: u64,
        context: u64,
    ) -> Result<Request, Error> {
        self.irecv_from(memory, match_info, mask, None, context)
    }

    /// The same, of a message of one remote endpoint alone, which need not be connected yet: it ends with the relation.
    pub fn irecv_from(
        &self,
        memory: Memory,
        match_info: u64,
        mask: u64,
        from: Option<Address>,
        context: u64,
    ) -> Result<Request, Error> {
        self.irecv_here(memory, match_info, mask, from, context)
    }

    /// The same, as a part of the calling function: for the one that a program repeats.
    #[inline(always)]
    pub fn irecv_here(
        &self,
        memory: Memory,
        match_info: u64,
        mask: u64,
        from: Option<Address>,
        context: u64,
    ) -> Result<Request, Error> {
        let wanted = selection(match_info, mask, from)?;
        let mut state = self.held.enter_open()?;
        look_for_room(&state)?;
        let contexts = state.engine.config().context_ids.mask();
        if mask & contexts != contexts {
            return Err(Error::ContextMask);
        }
        // What only waits for its message neither needs the time nor leaves anything to do.
        let begun = match state.engine.keeps_messages() {
            true => Some(self.held.begin(&mut state)),
            false => {
                self.held.attendance.ours(state.readings.last());
                None
            }
        };
        let EndpointState { engine, port, .. } = &mut *state;
        let request = engine.receive(memory, wanted, context, port);
        if let Some(begun) = begun {
            self.held.end(state, begun);
        }
        Ok(Request(request))
    }

    /// Makes progress.
    pub fn progress(&self) -> Result<(), Error> {
        // Never finds anything: who only makes progress makes it for all.
        let nothing: Option<()> = self.held.polled(|state| match &state.broken {
            Some(error) => Err(error.clone()),
            None => Ok(None),
        })?;
        debug_assert!(nothing.is_none());
        Ok(())
    }

    /// Whether a request is done: its status, which uses it up.
    pub fn test(&self, request: Request) -> Result<Option<Status>, Error> {
        let mut done = None;
        self.test_then(request, |status| done = Some(status))?;
        Ok(done)
    }

    /// The same for who does something with the status: within, the endpoint can be used.
    #[inline(always)]
    pub fn test_then(&self, request: Request, tell: impl FnOnce(Status)) -> Result<bool, Error> {
        self.held.tested(request.0, tell)
    }

    /// Waits for a request, unless it is done: its status, which uses it up; nothing when the time is over or
    /// [`Self::wakeup`] was called.
    pub fn wait(
        &self,
        request: Request,
        timeout: Option<Duration>,
    ) -> Result<Option<Status>, Error> {
        if let Some(status) = self.held.done_already(request.0)? {
            return Ok(Some(status));
        }
        self.held
            .wait_until(timeout, |state| done(state, request).transpose())?
            .transpose()
    }

    /// The first done request whose match info fits: its status, which uses it up.
    pub fn test_any(&self, match_info: u64, mask: u64) -> Result<Option<Status>, Error> {
        within(match_info, mask)?;
        self.held
            .polled(|state| Ok(any_done(state, match_info, mask)))
    }

    /// Waits for a done request whose match info fits.
    pub fn wait_any(
        &self,
        match_info: u64,
        mask: u64,
        timeout: Option<Duration>,
    ) -> Result<Option<Status>, Error> {
        within(match_info, mask)?;
        self.held
            .wait_until(timeout, |state| any_done(state, match_info, mask))
    }

    /// The first done request, which stays.
    pub fn ipeek(&self) -> Result<Option<Request>, Error> {
        self.held
            .polled(|state| Ok(state.engine.first_done(0, 0).map(Request)))
    }

    /// Waits for a done request, which stays.
    pub fn peek(&self, timeout: Option<Duration>) -> Result<Option<Request>, Error> {
        self.held
            .wait_until(timeout, |state| state.engine.first_done(0, 0).map(Request))
    }

    /// Takes back a receive that nothing has matched, or a pending connect. False when it is too late. An error for a
    /// send.
    pub fn cancel(&self, request: Request) -> Result<bool, Error> {
        self.held
            .with(|state| state.engine.cancel(request.0, false).ok_or(Error::Request))
    }

    /// The same, but the request ends as cancelled and is still to be tested or waited for.
    pub fn cancel_told(&self, request: Request) -> Result<bool, Error> {
        self.held
            .with(|state| state.engine.cancel(request.0, true).ok_or(Error::Request))
    }

    /// How long a request, or all that begin later, is tried before its partner is given up; without a time for ever.
    pub fn set_timeout(
        &self,
        request: Option<Request>,
        timeout: Option<Duration>,
    ) -> Result<(), Error> {
        let timeout = timeout.unwrap_or(Duration::MAX);
        self.held.with(|state| {
            let request = request.map(|request| request.0);
            state
                .engine
                .set_timeout(request, timeout)
                .ok_or(Error::Request)
        })
    }

    /// The application's word of a remote endpoint, 0 at first.
    pub fn address_context(&self, address: Address) -> Result<u64, Error> {
        self.held
            .with(|state| context_of(state, address).map(|context| *context))
    }

    /// Changes it, for all addresses of that endpoint.
    pub fn set_address_context(&self, address: Address, context: u64) -> Result<(), Error> {
        self.held
            .with(|state| context_of(state, address).map(|place| *place = context))
    }

    /// Gives up all interest in a request: it is freed when it is done.
    pub fn forget(&self, request: Request) -> Result<(), Error> {
        self.held.with(|state| {
            state.engine.is_done(request.0).ok_or(Error::Request)?;
            state.engine.forget(request.0);
            Ok(())
        })
    }

    /// Whether the memory of a send may be used again although it is not done.
    pub fn ibuffered(&self, request: Request) -> Result<bool, Error> {
        let look =
            |state: &mut EndpointState| state.engine.buffered(request.0).ok_or(Error::Request);
        self.held.looked(look, |buffered| *buffered)
    }

    /// The application's word of a request.
    pub fn context(&self, request: Request) -> Result<u64, Error> {
        let context = self.held.enter()?.engine.context(request.0);
        context.ok_or(Error::Request)
    }

    /// Waits until everything that was sent has been acknowledged: what has not when the endpoint closes is lost. False
    /// when the time is over first.
    pub fn settle(&self, timeout: Duration) -> Result<bool, Error> {
        let settled = self
            .held
            .wait_until(Some(timeout), |state| state.engine.settled().then_some(()))?;
        Ok(settled.is_some())
    }

    /// The endpoint is to be closed: calls that wait end with an error, others are refused.
    pub fn shut(&self) {
        let Ok(mut state) = self.held.enter() else {
            return;
        };
        state.broken.get_or_insert(Error::NotOpen);
        self.held.tell_others(&state);
    }

    /// Makes all waiting calls of this endpoint return without result, a connect with [`Error::Woken`].
    pub fn wakeup(&self) {
        let Ok(mut state) = self.held.enter() else {
            return;
        };
        state.wakeups += 1;
        self.held.tell_others(&state);
    }
}

/// Match info must lie within its mask.
#[inline]
fn within(match_info: u64, mask: u64) -> Result<(), Error> {
    if match_info & !mask == 0 {
        Ok(())
    } else {
        Err(Error::MatchMask)
    }
}

/// The messages that a receive or a probe wants.
#[inline]
fn selection(match_info: u64, mask: u64, from: Option<Address>) -> Result<Selection, Error> {
    within(match_info, mask)?;
    Ok(Selection {
        from: from.map(|from| from.partner),
        ..Selection::new(match_info, mask)
    })
}

/// Requests are refused before there is no memory to remember them.
#[inline]
fn look_for_room(state: &EndpointState) -> Result<(), Error> {
    let growth = state.engine.growth();
    if growth == 0 || heap::has_room(growth) {
        Ok(())
    } else {
        Err(Error::NO_MEMORY)
    }
}

fn context_of(state: &mut EndpointState, address: Address) -> Result<&mut u64, Error> {
    let context = state.engine.partner_context(address.partner);
    context.ok_or(Error::StrangeAddress)
}

#[inline]
fn done(state: &mut EndpointState, request: Request) -> Result<Option<Status>, Error> {
    match state.engine.take_if_done(request.0) {
        Some(Ok(outcome)) => Ok(Some(state.status(outcome))),
        Some(Err(_)) => Ok(None),
        None => Err(Error::Request),
    }
}

fn any_done(state: &mut EndpointState, match_info: u64, mask: u64) -> Option<Status> {
    let request = state.engine.first_done(match_info, mask)?;
    let outcome = state.engine.take_done(request)?;
    Some(state.status(outcome))
}
