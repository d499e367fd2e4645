//! A store that an honest daemon serves to one domain.

use core::cell::RefCell;

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use xen_sys::xs_wire as abi;

use super::Daemon;
use crate::xenstore::client::Client;
use crate::xenstore::exchange::Exchange;
use crate::xenstore::wire::{Message, text};

/// Messages that one turn takes at most: more than one turn answers.
const MESSAGES: usize = 64;

/// The nodes, and the domain's connection to them. Transactions change the nodes at once; watches never fire.
pub struct Store {
    daemon: Daemon,
    exchange: Rc<RefCell<Exchange>>,
    nodes: BTreeMap<String, Vec<u8>>,
    requests: usize,
}

impl Default for Store {
    fn default() -> Self {
        let (daemon, ring) = Daemon::start();
        Self {
            daemon,
            exchange: Rc::new(RefCell::new(Exchange::new(ring))),
            nodes: BTreeMap::new(),
            requests: 0,
        }
    }
}

impl Store {
    /// Who asks.
    pub fn client(&self) -> Client {
        Client(self.exchange.clone())
    }

    /// Sets a node, as another domain does.
    pub fn set(&mut self, path: &str, value: impl Into<Vec<u8>>) {
        self.nodes.insert(path.into(), value.into());
    }

    /// Removes a node and what is below.
    pub fn remove(&mut self, path: &str) {
        let below = |node: &str| {
            node.strip_prefix(path)
                .is_some_and(|it| it.starts_with('/'))
        };
        self.nodes.retain(|node, _| node != path && !below(node));
    }

    /// The value of a node, if it is text.
    pub fn get(&self, path: &str) -> Option<&str> {
        core::str::from_utf8(self.nodes.get(path)?).ok()
    }

    /// Requests that were answered.
    pub fn requests(&self) -> usize {
        self.requests
    }

    /// Answers what was asked; whether there was anything.
    pub fn turn(&mut self) -> bool {
        self.exchange.borrow_mut().turn(MESSAGES);
        let asked = self.daemon.take();
        for message in &asked {
            self.answer(message);
        }
        self.exchange.borrow_mut().turn(MESSAGES);
        !asked.is_empty()
    }

    fn answer(&mut self, message: &Message) {
        self.requests += 1;
        let kind = message.header.kind;
        let answer = self.carry_out(kind, &message.payload);
        let (kind, payload) = match &answer {
            Ok(payload) => (kind, &payload[..]),
            Err(name) => (abi::XS_ERROR, &name[..]),
        };
        self.daemon.say(kind, message.header.request, payload);
    }

    /// The answer, or the name of the error.
    fn carry_out(&mut self, kind: u32, payload: &[u8]) -> Result<Vec<u8>, &'static [u8]> {
        let end = payload.iter().position(|byte| *byte == 0);
        let (path, rest) = payload.split_at(end.unwrap_or(payload.len()));
        let path = text(path).ok_or(b"EINVAL\0".as_slice())?;
        let mut done = b"OK\0".to_vec();
        match kind {
            abi::XS_READ => done = self.nodes.get(&path).ok_or(b"ENOENT\0".as_slice())?.clone(),
            abi::XS_DIRECTORY => done = self.names(&path),
            abi::XS_WRITE => self.set(&path, rest.get(1..).unwrap_or_default()),
            abi::XS_RM => self.remove(&path),
            abi::XS_TRANSACTION_START => done = b"1\0".to_vec(),
            abi::XS_TRANSACTION_END | abi::XS_WATCH | abi::XS_UNWATCH => {}
            _ => return Err(b"ENOSYS\0"),
        }
        Ok(done)
    }

    /// What is in a directory, each name ended by a NUL.
    fn names(&self, directory: &str) -> Vec<u8> {
        let mut names = Vec::new();
        for node in self.nodes.keys() {
            let below = node.strip_prefix(directory);
            let Some(below) = below.and_then(|below| below.strip_prefix('/')) else {
                continue;
            };
            let name = below.split('/').next().unwrap_or(below);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
            .iter()
            .flat_map(|name| [name.as_bytes(), &[0]])
            .flatten()
            .copied()
            .collect()
    }
}
