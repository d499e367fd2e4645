//! The client of xenstore: operations as futures, whose bytes the owner of the connection moves in its loop.
//!
//! Nothing here blocks but [`Xenstore::wait`], for the start and the end of a domain, and [`Watcher`]. A daemon that does not answer
//! keeps the futures waiting, in bounded memory, and nobody else.
//!
//! | file | what |
//! |---|---|
//! | `ring` | the page shared with the daemon |
//! | `wire` | messages as bytes |
//! | `exchange` | requests on their way out, replies and watches on their way in |
//! | `client` | the operations |
//! | `tasks` | futures that a loop goes on with |
//! | `watcher` | waiting for watches, for programs without such a loop |

mod client;
mod exchange;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
mod ring;
mod tasks;
mod watcher;
mod wire;

use core::cell::RefCell;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use alloc::rc::Rc;
use alloc::string::String;

use xen_sys::xs_wire as abi;

use crate::clock;
use crate::event::{self, Channel};
use exchange::Exchange;
use ring::Ring;

pub use client::Client;
pub use tasks::Tasks;
pub use watcher::Watcher;
pub use wire::WatchEvent;

/// How long [`Xenstore::wait`] waits at most. A daemon takes milliseconds, and seconds in a host whose dom0 has no processor to
/// spare; to end for it would make the host's trouble worse.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// After so long the log says that it is waited for.
const NOTICE: Duration = Duration::from_secs(2);

/// Messages that are taken in one turn.
const MESSAGES_PER_TURN: usize = 4;

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No such node.
    #[error("there is no such node (ENOENT)")]
    NotFound,
    /// Not allowed.
    #[error("this domain may not do that (EACCES)")]
    Denied,
    /// A transaction has to be tried again.
    #[error("the transaction met another one (EAGAIN)")]
    Again,
    /// Another error, by its name (`EINVAL`, …).
    #[error("{0}")]
    Other(String),
    /// The reply is no text, or of another kind than the request.
    #[error("the xenstore daemon's reply makes no sense")]
    BadReply,
    /// The daemon did not answer in time.
    #[error("the xenstore daemon did not answer in time; is it alive?")]
    Timeout,
    /// The ring is broken: the daemon moved an index, or told a length, that cannot be.
    #[error("the ring shared with the xenstore daemon is broken")]
    Broken,
    /// The request is too long for a message.
    #[error("the path or value is too long for xenstore")]
    TooLong,
    /// The daemon takes no requests: too many wait already.
    #[error("the xenstore daemon takes no requests; is it alive?")]
    Busy,
}

/// The connection to the xenstore daemon.
pub struct Xenstore {
    client: Client,
    channel: Channel,
    /// More may have come than the last turn took.
    more: bool,
}

impl Xenstore {
    pub(crate) fn new(page: &'static abi::DomainInterface, channel: Channel) -> Self {
        let exchange = Exchange::new(Ring::new(page));
        Self {
            client: Client(Rc::new(RefCell::new(exchange))),
            channel,
            more: false,
        }
    }

    /// Who asks.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The channel by which the daemon says that it has written or read something, to be waited for.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Whether requests have not gone out, or replies not come in, that could: a turn is due before any sleep.
    pub fn is_due(&self) -> bool {
        self.more || self.client.0.borrow().is_fresh()
    }

    /// Moves bytes both ways, without waiting, a bounded amount; whether replies or watches came.
    pub fn turn(&mut self) -> bool {
        let rang = self.channel.take();
        let mut exchange = self.client.0.borrow_mut();
        if !(rang || self.more || exchange.is_fresh()) {
            return false;
        }
        let moved = exchange.turn(MESSAGES_PER_TURN);
        self.more = moved.more;
        if moved.bytes {
            // A daemon that is not to be told any more is about to end, and this domain's loop goes on.
            let _ = self.channel.send();
        }
        moved.messages
    }

    /// The next watch that fired.
    pub fn next_event(&mut self) -> Option<WatchEvent> {
        self.client.0.borrow_mut().next_event()
    }

    /// Whether watches were lost since the last call: look at everything again.
    pub fn take_lost(&mut self) -> bool {
        self.client.0.borrow_mut().take_lost()
    }

    /// Waits for an operation, at most [`TIMEOUT`], and does nothing else meanwhile: for the start and the end of a
    /// domain.
    pub fn wait<T>(&mut self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let begun = clock::now();
        let deadline = begun + TIMEOUT;
        let mut told = false;
        let mut work = pin!(work);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(result) = work.as_mut().poll(&mut context) {
                return result;
            }
            if self.turn() || self.is_due() {
                continue;
            }
            let now = clock::now();
            if now >= deadline {
                return Err(Error::Timeout);
            }
            if now >= begun + NOTICE && !told {
                told = true;
                log::warn!(
                    "waiting for the xenstore daemon, {} s at most",
                    TIMEOUT.as_secs()
                );
            }
            let until = if told { deadline } else { begun + NOTICE };
            event::wait([&self.channel], Some(until));
        }
    }
}
