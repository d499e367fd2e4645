//! An endpoint that talks with one other side at a time, as the tools for two nodes do: a sender calls a receiver, whose
//! first message says what will follow.
//!
//! Nobody waits for ever without a word: see [`Partner`](super::partner::Partner).

use std::collections::VecDeque;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use mx_engine::Code;
use mx_engine::Memory;
use mx_wire::MacAddress;
use open_mx::board::{Board, text};
use open_mx::{Address, Backend, Buffer, Endpoint, EndpointOptions, Error, Request, Status};

use super::zeroed;

/// How often a tool that waits looks whether the other side is still there.
pub(super) const LOOK: Duration = Duration::from_millis(500);
/// Looks for a message between two looks at the clock.
const POLLS: u32 = 1000;
/// How long an endpoint may take to open before the user is told what it waits for.
const OPENING: Duration = Duration::from_secs(2);
/// How long the last messages may wait for their acknowledgement before a tool ends.
const SETTLE: Duration = Duration::from_secs(2);
/// Three times as long as acknowledgements are put off (protocol.md §7).
const LAST_ACKS: Duration = Duration::from_millis(50);
/// Messages that are kept of senders who are not served yet, and their bytes.
const KEPT_MAX: usize = 64;
const KEPT_BYTES_MAX: usize = 64 << 20;
/// Match info that no tool uses.
const NOBODY: u64 = u64::MAX;

/// How a tool waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Asks again and again.
    Poll,
    /// Asks again and again, giving way to others in between.
    Yield,
    /// Sleeps.
    Sleep,
}

/// Which endpoint to open, and how.
#[derive(Clone, Copy, Debug)]
pub struct LocalEndpoint {
    /// The local board, by its number.
    pub board: u32,
    /// Or by its address, which counts more.
    pub nic: Option<u64>,
    /// Its endpoint; any without one.
    pub endpoint: Option<u32>,
    /// What callers must present.
    pub key: u32,
    /// How to wait.
    pub waiting: Waiting,
}

/// Why a run ended early, or badly.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// A call of the library failed.
    #[error(transparent)]
    Call(#[from] Error),
    /// A request ended with this code.
    #[error("the {0} failed: {1}")]
    Request(&'static str, Code),
    /// Nobody has opened the endpoint that was to be connected to.
    #[error(
        "nobody has opened endpoint {endpoint} of {peer}: start {tool} there first, or name the endpoint that it has by -r"
    )]
    NotOpen {
        /// The tool that asks.
        tool: &'static str,
        /// Whom it asked.
        peer: String,
        /// The number of the endpoint there.
        endpoint: u32,
    },
    /// Who has opened the endpoint expects another key.
    #[error(
        "the program at endpoint {endpoint} of {peer} expects another key: it is not {tool}, or was given another filter"
    )]
    OtherKey {
        /// The tool that asks.
        tool: &'static str,
        /// Whom it asked.
        peer: String,
        /// The number of the endpoint there.
        endpoint: u32,
    },
    /// The other side refused to be connected to for another reason.
    #[error("endpoint {endpoint} of {peer} refuses: {code}")]
    Refused {
        /// Whom the tool asked.
        peer: String,
        /// The number of the endpoint there.
        endpoint: u32,
        /// How it was refused.
        code: Code,
    },
    /// The other side has ended in the middle.
    #[error("{0} has ended before the run did")]
    Gone(String),
    /// The other side is there, and says nothing to what it was told.
    #[error(
        "{1} is there, but does not answer: another program than {0} waits there, or another version, or it is busy with \
         another sender"
    )]
    NoAnswer(&'static str, String),
    /// The first message of a sender was not this tool's.
    #[error(
        "the first message of {peer} has {length} bytes and match info {match_info:#018x}: that is another program than \
         {tool}, or another version"
    )]
    Stranger {
        /// The tool that waits.
        tool: &'static str,
        /// Who sent it.
        peer: String,
        /// The match info that it was sent with.
        match_info: u64,
        /// The length of the whole message in bytes.
        length: u32,
    },
    /// A message in the middle was of another length than agreed on: bytes that it has, and that it should have.
    #[error("a message has {0} bytes and not {1}: is the other side of another version?")]
    Length(u32, usize),
    /// So many of these were not as they should be.
    #[error("{0} {1} were wrong")]
    Wrong(u64, &'static str),
    /// Another part of the tool has failed, and tells why.
    #[error("the other direction has failed")]
    Elsewhere,
    /// This machine cannot do what was asked for; a sentence.
    #[error("{0}")]
    Unable(&'static str),
}

impl Failure {
    /// A failure unless all that was verified was right.
    pub fn unless_right(wrong: u64, what: &'static str) -> Result<(), Self> {
        match wrong {
            0 => Ok(()),
            wrong => Err(Self::Wrong(wrong, what)),
        }
    }

    /// Whether another sender may fare better.
    fn is_of_one_sender(&self) -> bool {
        match self {
            Self::Call(error) => matches!(
                error,
                Error::Connect(_) | Error::NoPeer(_) | Error::Memory | Error::Length
            ),
            Self::Unable(_) => false,
            _ => true,
        }
    }
}

/// A message of a sender: its first one, or one that came before it was served.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who sent it.
    pub from: Address,
    /// The match info that it was sent with.
    pub match_info: u64,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// An open endpoint of a tool, and what came to it from others than the one that it serves.
pub struct Line {
    /// For calls that have no method here.
    pub endpoint: Endpoint,
    /// The tool's name.
    pub tool: &'static str,
    /// How it waits.
    pub waiting: Waiting,
    key: u32,
    /// Match info of first messages.
    pub(super) call: u64,
    /// What came from others while one sender was served.
    kept: Mutex<VecDeque<Call>>,
}

impl Line {
    /// Opens the endpoint of a tool whose first messages have this match info.
    pub fn open(tool: &'static str, local: LocalEndpoint, call: u64) -> Result<Self, Failure> {
        Ok(Self {
            endpoint: telling_of_a_wait(tool, || open(&local))?,
            tool,
            waiting: local.waiting,
            key: local.key,
            call,
            kept: Mutex::default(),
        })
    }

    /// The endpoint's own address.
    pub fn address(&self) -> Result<Address, Failure> {
        Ok(self.endpoint.address()?)
    }

    /// Name and interface of the board.
    pub fn board(&self) -> Result<(String, String), Failure> {
        let board = self.endpoint.with_board(|board| board.description())?;
        Ok((text(&board.hostname), text(&board.interface)))
    }

    /// The name of the machine at an address, or the address where it has none.
    pub fn name_of(&self, address: Address) -> String {
        let named = self.endpoint.with_board(|board| {
            let peer = board.peer_by_nic_id(address.nic_id)?;
            Ok(board.peer(peer).map(|peer| text(&peer.hostname)))
        });
        let name = named.ok().flatten().filter(|name| !name.is_empty());
        name.unwrap_or_else(|| MacAddress::from_nic_id(address.nic_id).to_string())
    }

    /// Keeps what another sender has said until it is its turn. Only what is whole, and not more than some.
    pub fn keep(&self, status: &Status, bytes: Vec<u8>) {
        let mut kept = self.kept();
        let total: usize = kept.iter().map(|call| call.bytes.len()).sum();
        let whole = status.message_length as usize == bytes.len();
        if let Some(from) = status.address
            && whole
            && kept.len() < KEPT_MAX
            && total + bytes.len() <= KEPT_BYTES_MAX
        {
            let match_info = status.match_info;
            kept.push_back(Call {
                from,
                match_info,
                bytes,
            });
        }
    }

    /// Takes the first message that was kept and fits.
    pub(super) fn kept_where(&self, fits: impl Fn(&Call) -> bool) -> Option<Call> {
        let mut kept = self.kept();
        let at = kept.iter().position(fits)?;
        kept.remove(at)
    }

    /// Whether another sender than this one waits to be served.
    pub(super) fn has_rival(&self, served: Address) -> bool {
        let first = self.endpoint.iprobe(self.call, u64::MAX).ok().flatten();
        let other = first.and_then(|found| found.address);
        let waits = |call: &Call| call.match_info == self.call && call.from != served;
        self.kept().iter().any(waits) || other.is_some_and(|other| other != served)
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Call>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves one sender, or with `again` one after the other for ever, whatever becomes of them.
    pub fn serve<T>(
        &self,
        again: bool,
        mut one: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        loop {
            match one() {
                Err(failure) if again && failure.is_of_one_sender() => {
                    eprintln!("{}: {failure}. Waiting for the next sender", self.tool);
                }
                Ok(_) if again => {}
                ended => return ended,
            }
        }
    }

    /// What both sides present to connect.
    pub(super) fn key(&self) -> u32 {
        self.key
    }

    /// Waits, in the chosen way, but for a while only: looks again and again, or sleeps.
    pub(super) fn look_for<T>(
        &self,
        poll: impl Fn() -> Result<Option<T>, Error>,
        sleep: impl Fn(Duration) -> Result<Option<T>, Error>,
    ) -> Result<Option<T>, Error> {
        if self.waiting == Waiting::Sleep {
            return sleep(LOOK);
        }
        for _ in 0..POLLS {
            let found = poll()?;
            if found.is_some() {
                return Ok(found);
            }
            if self.waiting == Waiting::Yield {
                std::thread::yield_now();
            }
            std::hint::spin_loop();
        }
        Ok(None)
    }

    /// Starts a receive.
    pub fn receive(&self, memory: Memory, info: u64, mask: u64) -> Result<Request, Failure> {
        Ok(self.endpoint.irecv(memory, info, mask, 0)?)
    }

    /// Gives up a request, whatever its state.
    pub fn take_back(&self, request: Request) {
        // A send cannot be cancelled, and a receive may have its message already.
        if !self.endpoint.cancel(request).unwrap_or(false) {
            let _ = self.endpoint.forget(request);
        }
    }

    /// Does nothing for a while but answer others.
    pub fn pause(&self, time: Duration) -> Result<(), Failure> {
        self.endpoint.probe(NOBODY, u64::MAX, Some(time))?;
        Ok(())
    }

    /// Lets the last messages be acknowledged.
    pub fn settle(&self) -> Result<(), Failure> {
        self.endpoint.settle(SETTLE)?;
        Ok(())
    }

    /// The same, and acknowledges those of the other side, which would wait for it.
    pub fn leave(&self) -> Result<(), Failure> {
        self.settle()?;
        self.pause(LAST_ACKS)
    }
}

/// Bytes of a message that was received into a buffer.
pub fn bytes_of(buffer: &Buffer, length: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = zeroed(length)?;
    buffer.read(0, &mut bytes)?;
    Ok(bytes)
}

fn open(local: &LocalEndpoint) -> Result<Endpoint, Failure> {
    let backend = Backend::find()?;
    let board = match local.nic {
        Some(nic) => Board::number_of(&backend, nic)?,
        None => local.board,
    };
    let options = EndpointOptions {
        board: Some(board),
        endpoint: local.endpoint,
        ..EndpointOptions::new(local.key)
    };
    Ok(Endpoint::open(&backend, &options)?)
}

/// Opening waits while the board is without its backend: a driver domain that is being replaced, a node that is stopped.
fn telling_of_a_wait<T>(tool: &str, opening: impl FnOnce() -> T) -> T {
    let (opened, is_opened) = mpsc::channel::<()>();
    thread::scope(|scope| {
        // Without a thread to spare the user is told nothing.
        let _ = thread::Builder::new().spawn_scoped(scope, move || {
            if is_opened.recv_timeout(OPENING) == Err(RecvTimeoutError::Timeout) {
                eprintln!(
                    "{tool}: nobody serves the board at present: its driver domain is gone, or its node is stopped. \
                     Waiting for it"
                );
            }
        });
        let done = opening();
        drop(opened);
        done
    })
}
