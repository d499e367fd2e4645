//! Waiting for watches, for a program that does one thing at a time.

use core::time::Duration;

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};

use super::{Client, Error, Xenstore};
use crate::clock;
use crate::event::{self, Channel};

/// The connection to xenstore, and which watches have fired.
pub struct Watcher {
    store: Xenstore,
    client: Client,
    watched: BTreeSet<String>,
    fired: BTreeSet<String>,
}

impl Watcher {
    /// Takes the connection over.
    pub fn new(store: Xenstore) -> Self {
        Self {
            client: store.client(),
            store,
            watched: BTreeSet::new(),
            fired: BTreeSet::new(),
        }
    }

    /// Who asks.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The channel by which the daemon tells of news.
    pub fn channel(&self) -> &Channel {
        self.store.channel()
    }

    /// Waits for an operation, as [`Xenstore::wait`].
    pub fn wait<T>(&mut self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        self.store.wait(work)
    }

    /// Watches a node. The watch fires once at once.
    pub fn watch(&mut self, path: &str, token: &str) -> Result<(), Error> {
        self.watched.insert(token.to_string());
        self.store.wait(self.client.watch(path, token))
    }

    /// Stops a watch.
    pub fn unwatch(&mut self, path: &str, token: &str) -> Result<(), Error> {
        self.watched.remove(token);
        self.fired.remove(token);
        self.store.wait(self.client.unwatch(path, token))
    }

    /// Whether the watch with this token has fired since the last call; without waiting.
    pub fn take(&mut self, token: &str) -> bool {
        self.collect();
        self.fired.remove(token)
    }

    /// Remembers what has fired until somebody takes it.
    fn collect(&mut self) {
        while self.store.turn() || self.store.is_due() {}
        while let Some(event) = self.store.next_event() {
            if self.watched.contains(&event.token) {
                self.fired.insert(event.token);
            }
        }
        if self.store.take_lost() {
            self.fired.extend(self.watched.iter().cloned());
        }
    }

    /// Waits until one of the watches with these tokens has fired, which includes those that fired while another was
    /// asked for; takes none.
    pub fn wait_for_any(&mut self, tokens: &[&str]) {
        loop {
            self.collect();
            if tokens.iter().any(|&token| self.fired.contains(token)) {
                return;
            }
            event::wait([self.store.channel()], None);
        }
    }

    /// Waits until the watch with this token fires; false when the time has come before.
    pub fn wait_for(&mut self, token: &str, until: Duration) -> bool {
        loop {
            if self.take(token) {
                return true;
            }
            if clock::now() >= until {
                return false;
            }
            event::wait([self.store.channel()], Some(until));
        }
    }
}
