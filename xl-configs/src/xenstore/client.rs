//! A connection to xenstored: its socket in dom0, or the kernel's device where xenstored runs elsewhere.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use super::message::{self, Incoming, Kind};
use super::{Permissions, Store, StoreError, Transaction};

const SOCKETS: [&str; 2] = ["/run/xenstored/socket", "/var/run/xenstored/socket"];
const DEVICE: &str = "/dev/xen/xenbus";

trait Channel: Read + Write {}
impl<T: Read + Write> Channel for T {}

/// A connection. One request is under way at a time.
pub struct Client {
    channel: Box<dyn Channel>,
    next_id: u32,
    /// Watch events that arrived while an answer was awaited.
    events: Vec<String>,
}

impl Client {
    /// Connects.
    pub fn open() -> Result<Self, StoreError> {
        let socket = SOCKETS
            .iter()
            .find_map(|path| UnixStream::connect(path).ok());
        let channel: Box<dyn Channel> = match socket {
            Some(socket) => Box::new(socket),
            None => Box::new(
                OpenOptions::new()
                    .read(true)
                    .write(true)
                    .open(DEVICE)
                    .map_err(StoreError::Unreachable)?,
            ),
        };
        Ok(Self {
            channel,
            next_id: 1,
            events: Vec::new(),
        })
    }

    /// Asks for an event on each change at or below `path`; one comes at once.
    pub fn watch(&mut self, path: &str) -> Result<(), StoreError> {
        let payload = [path.as_bytes(), b"\0", path.as_bytes(), b"\0"].concat();
        self.ask(Kind::Watch, "watch", 0, path, &payload).map(drop)
    }

    /// Waits for the next watch event and returns its path.
    pub fn next_event(&mut self) -> Result<String, StoreError> {
        loop {
            if !self.events.is_empty() {
                return Ok(self.events.remove(0));
            }
            if let Incoming::Event(path) = message::receive(&mut self.channel)? {
                return Ok(path);
            }
        }
    }

    fn ask(
        &mut self,
        kind: Kind,
        operation: &'static str,
        t: Transaction,
        path: &str,
        payload: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let own_id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        message::send(&mut self.channel, kind, own_id, t, payload)?;
        loop {
            match message::receive(&mut self.channel)? {
                Incoming::Event(path) => self.events.push(path),
                Incoming::Reply { id, result } if id == own_id => {
                    return result.map_err(|code| StoreError::Refused {
                        operation,
                        path: path.into(),
                        code,
                    });
                }
                Incoming::Reply { .. } => {
                    return Err(StoreError::Malformed("an answer to nothing that was asked"));
                }
            }
        }
    }
}

fn terminated(path: &str) -> Vec<u8> {
    [path.as_bytes(), b"\0"].concat()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Store for Client {
    fn read(&mut self, t: Transaction, path: &str) -> Result<Option<String>, StoreError> {
        match self.ask(Kind::Read, "read", t, path, &terminated(path)) {
            Ok(value) => Ok(Some(text(value))),
            Err(error) if error.is("ENOENT") => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&mut self, t: Transaction, path: &str) -> Result<Vec<String>, StoreError> {
        match self.ask(Kind::Directory, "list", t, path, &terminated(path)) {
            Ok(names) => Ok(names
                .split(|b| *b == 0)
                .filter(|n| !n.is_empty())
                .map(|n| text(n.to_vec()))
                .collect()),
            Err(error) if error.is("ENOENT") => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn write(&mut self, t: Transaction, path: &str, value: &str) -> Result<(), StoreError> {
        let payload = [path.as_bytes(), b"\0", value.as_bytes()].concat();
        self.ask(Kind::Write, "write", t, path, &payload).map(drop)
    }

    fn remove(&mut self, t: Transaction, path: &str) -> Result<(), StoreError> {
        match self.ask(Kind::Remove, "remove", t, path, &terminated(path)) {
            Err(error) if !error.is("ENOENT") => Err(error),
            _ => Ok(()),
        }
    }

    fn set_permissions(
        &mut self,
        t: Transaction,
        path: &str,
        p: Permissions,
    ) -> Result<(), StoreError> {
        let payload = format!("{path}\0n{}\0r{}\0", p.owner, p.reader);
        self.ask(
            Kind::SetPermissions,
            "change of permissions",
            t,
            path,
            payload.as_bytes(),
        )
        .map(drop)
    }

    fn begin(&mut self) -> Result<Transaction, StoreError> {
        let id = self.ask(Kind::TransactionStart, "start", 0, "transaction", b"\0")?;
        text(id)
            .trim_end_matches('\0')
            .parse()
            .map_err(|_| StoreError::Malformed("a transaction without number"))
    }

    fn commit(&mut self, t: Transaction) -> Result<bool, StoreError> {
        match self.ask(Kind::TransactionEnd, "end", t, "transaction", b"T\0") {
            Ok(_) => Ok(true),
            Err(error) if error.is("EAGAIN") => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn abort(&mut self, t: Transaction) -> Result<(), StoreError> {
        self.ask(Kind::TransactionEnd, "end", t, "transaction", b"F\0")
            .map(drop)
    }
}
