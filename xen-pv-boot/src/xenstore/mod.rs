//! The client of xenstore: requests with bounded replies, transactions, and watches that are looked at without
//! waiting.
//!
//! A request waits for its reply, at most [`PATIENCE`]; watches that fire meanwhile are kept. Paths without a leading
//! slash are relative to the domain's own directory.

mod ring;
mod wire;

use core::fmt;
use core::time::Duration;

use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use xen_sys::xs_wire as abi;

use crate::clock;
use crate::event::{self, Channel};
use ring::Ring;
use wire::{Assembler, Header, Message};

pub use wire::WatchEvent;

/// How long a reply may take. A daemon under load takes milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Watch events that are kept; beyond it the oldest goes, and [`Xenstore::take_lost`] tells.
const EVENTS_MAX: usize = 512;

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No such node.
    NotFound,
    /// Not allowed.
    Denied,
    /// A transaction has to be tried again.
    Again,
    /// Another error, by its name (`EINVAL`, …).
    Other(String),
    /// The reply is no text, or of another kind than the request.
    BadReply,
    /// The daemon did not answer in time.
    Timeout,
    /// The ring is broken: the daemon moved an index, or told a length, that cannot be.
    Broken,
    /// The request is too long for a message.
    TooLong,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "there is no such node (ENOENT)",
            Self::Denied => "this domain may not do that (EACCES)",
            Self::Again => "the transaction met another one (EAGAIN)",
            Self::Other(name) => name,
            Self::BadReply => "the xenstore daemon's reply makes no sense",
            Self::Timeout => "the xenstore daemon did not answer in time; is it alive?",
            Self::Broken => "the ring shared with the xenstore daemon is broken",
            Self::TooLong => "the path or value is too long for xenstore",
        })
    }
}

impl core::error::Error for Error {}

/// A started transaction: what is done in it becomes visible at once, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction(u32);

impl Transaction {
    /// Outside of any transaction.
    pub const NONE: Self = Self(0);
}

/// The connection to the xenstore daemon.
pub struct Xenstore {
    ring: Ring,
    channel: Channel,
    next_request: u32,
    assembler: Assembler,
    events: VecDeque<WatchEvent>,
    lost: bool,
    broken: bool,
}

impl Xenstore {
    pub(crate) fn new(page: &'static abi::DomainInterface, channel: Channel) -> Self {
        Self {
            ring: Ring::new(page),
            channel,
            next_request: 1,
            assembler: Assembler::default(),
            events: VecDeque::new(),
            lost: false,
            broken: false,
        }
    }

    /// The channel by which the daemon says that it has written something, to be waited for.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The value of a node.
    pub fn read(&mut self, path: &str) -> Result<String, Error> {
        self.read_in(Transaction::NONE, path)
    }

    /// The value of a node, in a transaction.
    pub fn read_in(&mut self, transaction: Transaction, path: &str) -> Result<String, Error> {
        let reply = self.request(abi::XS_READ, transaction, &[path.as_bytes(), &[0]])?;
        core::str::from_utf8(&reply)
            .map(String::from)
            .map_err(|_| Error::BadReply)
    }

    /// The value of a node as a number.
    pub fn read_number<T: core::str::FromStr>(&mut self, path: &str) -> Result<T, Error> {
        let text = self.read(path)?;
        text.trim().parse().map_err(|_| Error::BadReply)
    }

    /// Writes a node, and makes it and the directories above it where they are missing.
    pub fn write(&mut self, path: &str, value: impl ToString) -> Result<(), Error> {
        self.write_in(Transaction::NONE, path, value)
    }

    /// Writes a node, in a transaction.
    pub fn write_in(
        &mut self,
        transaction: Transaction,
        path: &str,
        value: impl ToString,
    ) -> Result<(), Error> {
        let value = value.to_string();
        self.request(
            abi::XS_WRITE,
            transaction,
            &[path.as_bytes(), &[0], value.as_bytes()],
        )
        .map(drop)
    }

    /// Makes an empty node.
    pub fn make_directory(&mut self, path: &str) -> Result<(), Error> {
        self.request(abi::XS_MKDIR, Transaction::NONE, &[path.as_bytes(), &[0]])
            .map(drop)
    }

    /// Removes a node and everything below; that it is not there is no error.
    pub fn remove(&mut self, path: &str) -> Result<(), Error> {
        match self.request(abi::XS_RM, Transaction::NONE, &[path.as_bytes(), &[0]]) {
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Names of the entries of a directory; none when it is not there.
    pub fn list(&mut self, path: &str) -> Result<Vec<String>, Error> {
        match self.request(
            abi::XS_DIRECTORY,
            Transaction::NONE,
            &[path.as_bytes(), &[0]],
        ) {
            Ok(reply) => Ok(wire::names(&reply)),
            Err(Error::NotFound) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Sets permissions: a list such as `["n3", "r5"]`, the owner first.
    pub fn set_permissions(&mut self, path: &str, permissions: &[&str]) -> Result<(), Error> {
        let mut body = Vec::from(path.as_bytes());
        body.push(0);
        for permission in permissions {
            body.extend_from_slice(permission.as_bytes());
            body.push(0);
        }
        self.request(abi::XS_SET_PERMS, Transaction::NONE, &[&body])
            .map(drop)
    }

    /// Watches a node and what is below. The watch fires once at once.
    pub fn watch(&mut self, path: &str, token: &str) -> Result<(), Error> {
        self.request(
            abi::XS_WATCH,
            Transaction::NONE,
            &[path.as_bytes(), &[0], token.as_bytes(), &[0]],
        )
        .map(drop)
    }

    /// Stops a watch.
    pub fn unwatch(&mut self, path: &str, token: &str) -> Result<(), Error> {
        self.request(
            abi::XS_UNWATCH,
            Transaction::NONE,
            &[path.as_bytes(), &[0], token.as_bytes(), &[0]],
        )
        .map(drop)
    }

    /// Does `work` in a transaction, again and again while others come in between (at most 16 times).
    pub fn transaction<T>(
        &mut self,
        mut work: impl FnMut(&mut Self, Transaction) -> Result<T, Error>,
    ) -> Result<T, Error> {
        for _ in 0..16 {
            let reply = self.request(abi::XS_TRANSACTION_START, Transaction::NONE, &[&[0]])?;
            let id = wire::text(&reply)
                .and_then(|text| text.parse().ok())
                .ok_or(Error::BadReply)?;
            let transaction = Transaction(id);
            let result = work(self, transaction);
            let end: &[u8] = if result.is_ok() { b"T\0" } else { b"F\0" };
            match self.request(abi::XS_TRANSACTION_END, transaction, &[end]) {
                Ok(_) => return result,
                Err(Error::Again) if result.is_ok() => continue,
                Err(error) => return result.and(Err(error)),
            }
        }
        Err(Error::Again)
    }

    /// The next watch that fired, without waiting.
    pub fn next_event(&mut self) -> Option<WatchEvent> {
        self.channel.take();
        // One event at a time, so that a flood of watches does not hold up the caller; only late answers to requests
        // that were given up, a bounded number, are passed over.
        while self.events.is_empty()
            && let Ok(Some(message)) = self.pump()
        {
            self.keep_event(message);
        }
        self.events.pop_front()
    }

    /// Whether watches were lost since the last call: look at everything again.
    pub fn take_lost(&mut self) -> bool {
        core::mem::take(&mut self.lost)
    }

    fn keep_event(&mut self, message: Message) {
        if message.header.kind != abi::XS_WATCH_EVENT {
            // The answer to a request that was given up.
            return;
        }
        let Some(event) = WatchEvent::parse(&message.payload) else {
            return;
        };
        if self.events.contains(&event) {
            return;
        }
        if self.events.len() >= EVENTS_MAX {
            self.events.pop_front();
            self.lost = true;
        }
        self.events.push_back(event);
    }

    fn request(
        &mut self,
        kind: u32,
        transaction: Transaction,
        body: &[&[u8]],
    ) -> Result<Vec<u8>, Error> {
        if self.broken {
            return Err(Error::Broken);
        }
        let length: usize = body.iter().map(|part| part.len()).sum();
        if length > abi::XENSTORE_PAYLOAD_MAX {
            return Err(Error::TooLong);
        }
        let request = self.next_request;
        self.next_request = self.next_request.wrapping_add(1).max(1);
        let header = Header {
            kind,
            request,
            transaction: transaction.0,
            length: length as u32,
        };
        let deadline = clock::now() + PATIENCE;
        self.send(&header.to_bytes(), deadline)?;
        for part in body {
            self.send(part, deadline)?;
        }
        let _ = self.channel.send();
        loop {
            self.channel.take();
            match self.pump()? {
                Some(message) if message.header.kind == abi::XS_WATCH_EVENT => {
                    self.keep_event(message);
                }
                Some(message) if message.header.request == request => {
                    return reply(kind, message);
                }
                Some(_) => {}
                None => self.sleep(deadline)?,
            }
        }
    }

    fn send(&mut self, mut bytes: &[u8], deadline: Duration) -> Result<(), Error> {
        while !bytes.is_empty() {
            let Ok(sent) = self.ring.send(bytes) else {
                return Err(self.broken());
            };
            bytes = &bytes[sent..];
            if sent == 0 {
                let _ = self.channel.send();
                self.channel.take();
                if let Err(error) = self.sleep(deadline) {
                    // Half a request is in the ring: nothing can follow it.
                    self.broken();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn sleep(&self, deadline: Duration) -> Result<(), Error> {
        if clock::now() >= deadline {
            return Err(Error::Timeout);
        }
        event::wait([&self.channel], Some(deadline));
        Ok(())
    }

    /// Takes what the ring has, up to one message.
    fn pump(&mut self) -> Result<Option<Message>, Error> {
        if self.broken {
            return Err(Error::Broken);
        }
        let mut piece = [0; 256];
        loop {
            if let Some(message) = self.assembler.take() {
                return Ok(Some(message));
            }
            let Ok(wants) = self.assembler.wants() else {
                return Err(self.broken());
            };
            let room = &mut piece[..wants.min(256)];
            match self.ring.receive(room) {
                Ok(0) => return Ok(None),
                Ok(count) => {
                    self.assembler.push(&piece[..count]);
                    // The daemon may wait for room.
                    let _ = self.channel.send();
                }
                Err(_) => return Err(self.broken()),
            }
        }
    }

    fn broken(&mut self) -> Error {
        if !self.broken {
            log::error!("{}; nothing can attach or detach any more", Error::Broken);
        }
        self.broken = true;
        Error::Broken
    }
}

/// What a reply says.
fn reply(kind: u32, message: Message) -> Result<Vec<u8>, Error> {
    if message.header.kind == kind {
        return Ok(message.payload);
    }
    if message.header.kind != abi::XS_ERROR {
        return Err(Error::BadReply);
    }
    Err(match wire::text(&message.payload).as_deref() {
        Some("ENOENT") => Error::NotFound,
        Some("EACCES" | "EPERM") => Error::Denied,
        Some("EAGAIN") => Error::Again,
        Some(name) => Error::Other(name.into()),
        None => Error::BadReply,
    })
}
