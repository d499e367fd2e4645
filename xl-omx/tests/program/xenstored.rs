//! A xenstored: one tree, served over a socket to dom0's programs.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use xen_sys::xs_wire::{
    HEADER_SIZE, XS_DIRECTORY, XS_ERROR, XS_READ, XS_RM, XS_SET_PERMS, XS_TRANSACTION_END,
    XS_TRANSACTION_START, XS_UNWATCH, XS_WATCH, XS_WATCH_EVENT, XS_WRITE,
};
use xl_omx::xenstore::tree::{Pending, Permission, Refusal, Tree};

/// A domain that looks at the tree after each change.
pub type Actor = Box<dyn FnMut(&mut Tree) + Send>;

/// What the daemon knows.
#[derive(Default)]
pub struct State {
    pub tree: Tree,
    actors: Vec<Actor>,
    connections: BTreeMap<u64, UnixStream>,
    watches: Vec<(u64, String, String)>,
    transactions: BTreeMap<(u64, u32), Pending>,
    next: u32,
    /// Requests that were answered.
    pub requests: u64,
    /// It dies instead of answering so many requests later.
    pub dies_in: Option<u64>,
    dead: bool,
}

/// A running daemon.
#[derive(Clone)]
pub struct Xenstored(Arc<Mutex<State>>);

impl Xenstored {
    pub fn start(socket: &Path) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let listener = UnixListener::bind(socket).unwrap();
        let daemon = Self(state);
        let own = daemon.clone();
        thread::spawn(move || {
            for (id, stream) in (0..).zip(listener.incoming()) {
                let (own, stream) = (own.clone(), stream.unwrap());
                if own.state().dead {
                    continue;
                }
                thread::spawn(move || own.serve(id, stream));
            }
        });
        daemon
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Whether anybody watches this path or event.
    pub fn is_watched(&self, path: &str) -> bool {
        let state = self.state();
        state.watches.iter().any(|(_, watched, _)| watched == path)
    }

    /// A domain changes the tree; watches fire, and the other domains react.
    pub fn act<T>(&self, deed: impl FnOnce(&mut Tree) -> T) -> T {
        let mut state = self.state();
        let done = deed(&mut state.tree);
        state.settle();
        done
    }

    /// Fires a special watch: a domain has come or gone.
    pub fn fire(&self, event: &str) {
        self.state().fire(event);
    }

    /// From now on, this domain looks at each change.
    pub fn join(&self, actor: Actor) {
        let mut state = self.state();
        state.actors.push(actor);
        state.settle();
    }

    /// Every connection breaks, and none is made any more, until [`Xenstored::revive`].
    pub fn die(&self) {
        self.state().die();
    }

    pub fn revive(&self) {
        let mut state = self.state();
        state.dead = false;
        state.dies_in = None;
    }

    fn serve(&self, id: u64, mut stream: UnixStream) {
        let answers = stream.try_clone().unwrap();
        answers
            .set_write_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        self.state().connections.insert(id, answers);
        while let Ok(request) = Request::receive(&mut stream) {
            let mut state = self.state();
            if state.dies_in == Some(0) {
                state.die();
                break;
            }
            state.dies_in = state.dies_in.map(|left| left - 1);
            state.requests += 1;
            let answer = state.answer(id, &request);
            let (kind, payload) = match answer {
                Ok(payload) => (request.kind, payload),
                Err(code) => (XS_ERROR, [code.as_bytes(), b"\0"].concat()),
            };
            let words = [kind, request.id, request.transaction];
            state.send(id, words, &payload);
            if request.kind == XS_WATCH {
                let path = request.words().swap_remove(0);
                state.event(id, &path, &path);
            }
            state.settle();
        }
        let mut state = self.state();
        state.connections.remove(&id);
        state.watches.retain(|(owner, _, _)| *owner != id);
        state.transactions.retain(|(owner, _), _| *owner != id);
    }
}

struct Request {
    kind: u32,
    id: u32,
    transaction: u32,
    payload: Vec<u8>,
}

impl Request {
    fn receive(stream: &mut UnixStream) -> io::Result<Self> {
        let mut header = [0; HEADER_SIZE];
        stream.read_exact(&mut header)?;
        let (words, _) = header.as_chunks::<4>();
        let [kind, id, transaction, length] = [0, 1, 2, 3].map(|n| u32::from_ne_bytes(words[n]));
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload)?;
        Ok(Self {
            kind,
            id,
            transaction,
            payload,
        })
    }

    fn words(&self) -> Vec<String> {
        let words = self.payload.split(|byte| *byte == 0);
        words
            .map(|word| String::from_utf8(word.to_vec()).unwrap())
            .collect()
    }

    fn path(&self) -> String {
        let path = self.words().swap_remove(0);
        assert!(
            path.starts_with("/local/domain") || path.starts_with('@'),
            "a request for '{path}', which is not of a device or domain"
        );
        path
    }

    /// What follows the path.
    fn rest(&self) -> &[u8] {
        let end = self.payload.iter().position(|byte| *byte == 0).unwrap();
        &self.payload[end + 1..]
    }

    fn permissions(&self) -> Vec<Permission> {
        let entries = self.words().split_off(1);
        let entries = entries.iter().filter(|entry| !entry.is_empty());
        entries
            .map(|entry| {
                let (access, domain) = entry.split_at(1);
                Permission {
                    access: access.chars().next().unwrap(),
                    domain: domain.parse().unwrap(),
                }
            })
            .collect()
    }
}

const OK: &[u8] = b"OK\0";

fn listing(names: impl IntoIterator<Item = String>) -> Vec<u8> {
    let names = names.into_iter();
    names.flat_map(|name| (name + "\0").into_bytes()).collect()
}

impl State {
    fn answer(&mut self, connection: u64, request: &Request) -> Result<Vec<u8>, Refusal> {
        let is = |kind: u32| request.kind == kind;
        let key = (connection, request.transaction);
        if is(XS_TRANSACTION_START) {
            self.next += 1;
            let begun = Pending::begin(&self.tree);
            self.transactions.insert((connection, self.next), begun);
            return Ok(format!("{}\0", self.next).into());
        }
        if is(XS_TRANSACTION_END) {
            let pending = self.transactions.remove(&key).ok_or("ENOENT")?;
            if request.payload == b"T\0" {
                pending.commit(&mut self.tree)?;
            }
            return Ok(OK.into());
        }
        let path = request.path();
        if is(XS_WATCH) || is(XS_UNWATCH) {
            let token = request.words().swap_remove(1);
            let watch = (connection, path, token);
            let known = self.watches.contains(&watch);
            return match is(XS_WATCH) {
                true if known => Err("EEXIST"),
                true => {
                    self.watches.push(watch);
                    Ok(OK.into())
                }
                false if known => {
                    self.watches.retain(|other| *other != watch);
                    Ok(OK.into())
                }
                false => Err("ENOENT"),
            };
        }
        match self.transactions.get_mut(&key) {
            None if request.transaction != 0 => Err("ENOENT"),
            None => {
                let tree = &mut self.tree;
                if is(XS_READ) {
                    tree.read(0, &path)
                } else if is(XS_DIRECTORY) {
                    tree.list(0, &path).map(listing)
                } else if is(XS_WRITE) {
                    tree.write(0, &path, request.rest()).map(|()| OK.into())
                } else if is(XS_RM) {
                    tree.remove(0, &path).map(|()| OK.into())
                } else if is(XS_SET_PERMS) {
                    let who = request.permissions();
                    tree.set_permissions(0, &path, who).map(|()| OK.into())
                } else {
                    Err("EINVAL")
                }
            }
            Some(pending) => {
                if is(XS_READ) {
                    pending.read(&path)
                } else if is(XS_DIRECTORY) {
                    pending.list(&path).map(listing)
                } else if is(XS_WRITE) {
                    pending.write(&path, request.rest()).map(|()| OK.into())
                } else if is(XS_RM) {
                    pending.remove(&path).map(|()| OK.into())
                } else if is(XS_SET_PERMS) {
                    let who = request.permissions();
                    pending.set_permissions(&path, who).map(|()| OK.into())
                } else {
                    Err("EINVAL")
                }
            }
        }
    }

    fn die(&mut self) {
        self.dead = true;
        for stream in self.connections.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn send(&mut self, connection: u64, words: [u32; 3], payload: &[u8]) {
        let Some(stream) = self.connections.get_mut(&connection) else {
            return;
        };
        let length = u32::try_from(payload.len()).unwrap();
        let [kind, id, transaction] = words;
        let mut message: Vec<u8> = [kind, id, transaction, length]
            .into_iter()
            .flat_map(u32::to_ne_bytes)
            .collect();
        message.extend_from_slice(payload);
        // A program that has ended meanwhile does not read it.
        let _ = stream.write_all(&message);
    }

    fn event(&mut self, connection: u64, path: &str, token: &str) {
        let payload = format!("{path}\0{token}\0");
        self.send(connection, [XS_WATCH_EVENT, 0, 0], payload.as_bytes());
    }

    fn fire(&mut self, path: &str) {
        let fits = |watched: &str| {
            let below = path.strip_prefix(watched);
            below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let watches = self.watches.iter().filter(|(_, watched, _)| fits(watched));
        let watches: Vec<_> = watches.cloned().collect();
        for (connection, _, token) in watches {
            self.event(connection, path, &token);
        }
    }

    /// Tells of all changes, until nobody changes anything more.
    fn settle(&mut self) {
        loop {
            for actor in &mut self.actors {
                actor(&mut self.tree);
            }
            let changes = std::mem::take(&mut self.tree.changes);
            if changes.is_empty() {
                return;
            }
            for path in changes {
                self.fire(&path);
            }
        }
    }
}
