//! Endpoints: the Rust API.
//!
//! Requests are numbers that belong to one endpoint. All calls may come from several threads; each endpoint has one
//! lock. Nothing happens but within calls: a message that needs to be sent again waits until the application calls.

mod buffer;
pub(crate) mod port;
mod spin;
pub(crate) mod state;
mod wait;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mx_ring::call::ANY_ENDPOINT;
use mx_ring::{EndpointLayout, Geometry, ProcessSide};
use slotmap::{Key, KeyData};

use crate::board::{Board, no_board};
use crate::clock;
use crate::code::Code;
use crate::engine::{Memory, PartnerKey, RequestKey};
use crate::error::Error;
use crate::home::{Channel, Home, Opened, Regions};
pub use buffer::Buffer;
use port::Port;
use state::State;

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
    pub(crate) partner: PartnerKey,
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

/// Which endpoint to open, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The board's number, or the first one with a free endpoint.
    pub board: Option<u32>,
    /// The endpoint's index, or any.
    pub endpoint: Option<u32>,
    /// What peers must present to connect.
    pub key: u32,
    /// Sizes of its queues.
    pub geometry: Geometry,
}

impl Options {
    /// Any endpoint of any board, with queues of default size.
    pub fn new(key: u32) -> Self {
        Self {
            board: None,
            endpoint: None,
            key,
            geometry: Geometry::default(),
        }
    }
}

/// An open endpoint. It is closed when it is dropped: what is not acknowledged then is lost.
pub struct Endpoint {
    state: Mutex<State>,
    moved: Condvar,
    channel: Arc<dyn Channel>,
    never_sleeps: bool,
    board: u32,
    // The state's areas point into them.
    _w: mx_ring::mapping::Mapping,
    _r: mx_ring::mapping::Mapping,
}

impl Endpoint {
    /// Opens an endpoint.
    pub fn open(home: &Home, options: &Options) -> Result<Self, Error> {
        let greeted = home.channel()?;
        let boards = match options.board {
            Some(board) => board..board.saturating_add(1),
            None => 0..greeted.boards,
        };
        let endpoint = options.endpoint.unwrap_or(ANY_ENDPOINT);
        let layout = EndpointLayout::new(options.geometry).map_err(|_| Error::Memory)?;
        let mut failure = Error::NoBoard(options.board.unwrap_or(0));
        for board in boards {
            if board >= greeted.boards {
                return Err(Error::NoBoard(board));
            }
            match greeted.channel.open(board, endpoint, &layout) {
                Ok(opened) => {
                    let (channel, user_memory) = (greeted.channel, greeted.user_memory);
                    return Self::of(channel, user_memory, board, opened, layout, options.key);
                }
                Err(error) => {
                    failure = match no_board(error.into(), board) {
                        Error::Refused(rustix::io::Errno::INVAL) => Error::NoEndpoint(endpoint),
                        other => other,
                    };
                }
            }
        }
        Err(failure)
    }

    fn of(
        channel: Arc<dyn Channel>,
        user_memory: bool,
        number: u32,
        opened: Opened,
        layout: EndpointLayout,
        key: u32,
    ) -> Result<Self, Error> {
        let process = ProcessSide::new(layout, opened.w.area(), opened.r.area())
            .map_err(|_| Error::Confused)?;
        let regions = Regions::new(channel.clone(), user_memory);
        let port = Port::new(process, regions);
        let board = Board::new(opened.board)?;
        let state = State::new(port, board, opened.endpoint, opened.session, key)?;
        Ok(Self {
            state: Mutex::new(state),
            moved: Condvar::new(),
            channel,
            never_sleeps: std::env::var_os("OMX_WAITSPIN").is_some_and(|value| value != "0"),
            board: number,
            _w: opened.w,
            _r: opened.r,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a call that may post something or complete requests, at the present time.
    fn with<T>(&self, call: impl FnOnce(&mut State) -> Result<T, Error>) -> Result<T, Error> {
        let mut state = self.lock();
        if let Some(error) = &state.broken {
            return Err(error.clone());
        }
        state.engine.set_now(clock::now());
        let completed = state.engine.completions();
        let result = call(&mut state);
        state.flush(&*self.channel);
        if state.engine.completions() != completed {
            self.tell_others(&state);
        }
        result
    }

    /// Makes progress once, then runs a call.
    fn progressed<T>(&self, call: impl FnOnce(&mut State) -> Result<T, Error>) -> Result<T, Error> {
        let mut state = self.lock();
        let completed = state.engine.completions();
        state.progress(clock::now(), &*self.channel);
        let result = call(&mut state);
        if state.engine.completions() != completed {
            self.tell_others(&state);
        }
        result
    }

    /// Number of the board.
    pub fn board_number(&self) -> u32 {
        self.board
    }

    /// Runs a look at the board's pages.
    pub fn with_board<T>(&self, look: impl FnOnce(&Board) -> T) -> T {
        look(&self.lock().board)
    }

    /// The own address.
    pub fn address(&self) -> Result<Address, Error> {
        let mut state = self.lock();
        let own = state.engine.own();
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
        self.with(|state| {
            let request = if (nic_id, endpoint) == state.own {
                state.engine.connect_own(key, match_info, context)
            } else {
                let endpoint = u8::try_from(endpoint).map_err(|_| Error::NoEndpoint(endpoint))?;
                let peer = state.board.peer_by_nic_id(nic_id)?;
                let State { engine, port, .. } = state;
                engine.connect(peer, endpoint, key, match_info, context, port)
            };
            Ok(Request(request))
        })
    }

    /// Connects and waits for the answer.
    pub fn connect(
        &self,
        nic_id: u64,
        endpoint: u32,
        key: u32,
        timeout: Option<Duration>,
    ) -> Result<Address, Error> {
        let request = self.iconnect(nic_id, endpoint, key, 0, 0)?;
        let Some(status) = self.wait(request, timeout)? else {
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

    /// Ends the relation with a partner. Its address can be used again after another connect.
    pub fn disconnect(&self, address: Address) -> Result<(), Error> {
        self.with(|state| {
            let State { engine, port, .. } = state;
            engine.disconnect(address.partner, port);
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
        self.with(|state| {
            let State { engine, port, .. } = state;
            let partner = to.partner;
            let request = engine.send(partner, memory, match_info, context, synchronous, port);
            Ok(Request(request))
        })
    }

    /// Starts a receive of a message whose match info, masked, is `match_info`.
    pub fn irecv(
        &self,
        memory: Memory,
        match_info: u64,
        mask: u64,
        context: u64,
    ) -> Result<Request, Error> {
        if match_info & !mask != 0 {
            return Err(Error::MatchMask);
        }
        self.with(|state| {
            let State { engine, port, .. } = state;
            let request = engine.receive(memory, match_info, mask, context, port);
            Ok(Request(request))
        })
    }

    /// Makes progress.
    pub fn progress(&self) -> Result<(), Error> {
        self.progressed(|state| match &state.broken {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        })
    }

    /// Whether a request is done: its status, which uses it up.
    pub fn test(&self, request: Request) -> Result<Option<Status>, Error> {
        self.progressed(|state| done(state, request))
    }

    /// Waits for a request: its status, which uses it up; nothing when the time is over or [`Self::wakeup`] was called.
    pub fn wait(
        &self,
        request: Request,
        timeout: Option<Duration>,
    ) -> Result<Option<Status>, Error> {
        self.wait_until(timeout, |state| done(state, request).transpose())?
            .transpose()
    }

    /// The first done request whose match info fits: its status, which uses it up.
    pub fn test_any(&self, match_info: u64, mask: u64) -> Result<Option<Status>, Error> {
        self.progressed(|state| Ok(any_done(state, match_info, mask)))
    }

    /// Waits for a done request whose match info fits.
    pub fn wait_any(
        &self,
        match_info: u64,
        mask: u64,
        timeout: Option<Duration>,
    ) -> Result<Option<Status>, Error> {
        self.wait_until(timeout, |state| any_done(state, match_info, mask))
    }

    /// The first done request, which stays.
    pub fn ipeek(&self) -> Result<Option<Request>, Error> {
        self.progressed(|state| Ok(state.engine.first_done(0, 0).map(Request)))
    }

    /// Waits for a done request, which stays.
    pub fn peek(&self, timeout: Option<Duration>) -> Result<Option<Request>, Error> {
        self.wait_until(timeout, |state| state.engine.first_done(0, 0).map(Request))
    }

    /// The first unexpected message whose match info fits; it stays.
    pub fn iprobe(&self, match_info: u64, mask: u64) -> Result<Option<Status>, Error> {
        self.progressed(|state| Ok(probed(state, match_info, mask)))
    }

    /// Waits for an unexpected message whose match info fits.
    pub fn probe(
        &self,
        match_info: u64,
        mask: u64,
        timeout: Option<Duration>,
    ) -> Result<Option<Status>, Error> {
        self.wait_until(timeout, |state| probed(state, match_info, mask))
    }

    /// Takes back a receive that nothing has matched, or a pending connect. False when it is too late. An error for a
    /// send.
    pub fn cancel(&self, request: Request) -> Result<bool, Error> {
        self.with(|state| state.engine.cancel(request.0, false).ok_or(Error::Request))
    }

    /// Gives up all interest in a request: it is freed when it is done.
    pub fn forget(&self, request: Request) -> Result<(), Error> {
        self.with(|state| {
            state.engine.is_done(request.0).ok_or(Error::Request)?;
            state.engine.forget(request.0);
            Ok(())
        })
    }

    /// Whether the memory of a send may be used again although it is not done.
    pub fn ibuffered(&self, request: Request) -> Result<bool, Error> {
        self.progressed(|state| state.engine.buffered(request.0).ok_or(Error::Request))
    }

    /// The application's word of a request.
    pub fn context(&self, request: Request) -> Result<u64, Error> {
        self.lock().engine.context(request.0).ok_or(Error::Request)
    }

    /// Waits until everything that was sent has been acknowledged: what has not when the endpoint closes is lost. False
    /// when the time is over first.
    pub fn settle(&self, timeout: Duration) -> Result<bool, Error> {
        let settled =
            self.wait_until(Some(timeout), |state| state.engine.settled().then_some(()))?;
        Ok(settled.is_some())
    }

    /// Makes all waiting calls of this endpoint return without result.
    pub fn wakeup(&self) {
        let mut state = self.lock();
        state.wakeups += 1;
        self.tell_others(&state);
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let mut state = self.lock();
        let State { engine, port, .. } = &mut *state;
        engine.flush_acks(port);
        state.flush(&*self.channel);
    }
}

fn done(state: &mut State, request: Request) -> Result<Option<Status>, Error> {
    match state.engine.is_done(request.0) {
        Some(true) => {
            let outcome = state.engine.take_done(request.0).ok_or(Error::Request)?;
            Ok(Some(state.status(outcome)))
        }
        Some(false) => Ok(None),
        None => Err(Error::Request),
    }
}

fn any_done(state: &mut State, match_info: u64, mask: u64) -> Option<Status> {
    let request = state.engine.first_done(match_info, mask)?;
    let outcome = state.engine.take_done(request)?;
    Some(state.status(outcome))
}

fn probed(state: &mut State, match_info: u64, mask: u64) -> Option<Status> {
    let outcome = state.engine.probe(match_info, mask)?;
    Some(state.status(outcome))
}
