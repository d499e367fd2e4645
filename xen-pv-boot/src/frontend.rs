//! The front end of a split device, by watches: who its back end is, what is published for it, the states of both.
//!
//! Nothing here knows a class of devices. The tools have made both directories; the own one is
//! `device/<class>/<number>`.

use core::time::Duration;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::clock;
use crate::types::DomId;
use crate::xenbus::XenbusState;
use crate::xenstore::{Error, Watcher};

/// How long the tools may take between one node of a device and the next.
const PAUSE: Duration = Duration::from_secs(1);

/// One device.
#[derive(Clone, Debug)]
pub struct Frontend {
    directory: String,
    backend: String,
    domain: DomId,
    token: String,
}

impl Frontend {
    /// Waits until the tools have made a device, and watches its back end's state; `None` when the time has come before.
    pub fn find(
        watcher: &mut Watcher,
        directory: &str,
        until: Duration,
    ) -> Result<Option<Self>, Error> {
        let token = format!("frontend {directory}");
        watcher.watch(directory, &token)?;
        let found = loop {
            if let Some((backend, domain)) = look(watcher, directory)? {
                break Some((backend, domain));
            }
            if !watcher.wait_for(&token, until) {
                break None;
            }
        };
        watcher.unwatch(directory, &token)?;
        let Some((backend, domain)) = found else {
            return Ok(None);
        };
        let token = format!("backend {directory}");
        watcher.watch(&format!("{backend}/state"), &token)?;
        Ok(Some(Self {
            directory: directory.to_string(),
            backend,
            domain,
            token,
        }))
    }

    /// Where this device's keys stand in xenstore.
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// The back end's directory.
    pub fn backend(&self) -> &str {
        &self.backend
    }

    /// The back end's domain.
    pub fn domain(&self) -> DomId {
        self.domain
    }

    /// Whether the back end's state was written since this was asked last; without waiting.
    pub fn has_news(&self, watcher: &mut Watcher) -> bool {
        watcher.take(&self.token)
    }

    /// The back end's state.
    pub fn backend_state(&self, watcher: &mut Watcher) -> Result<XenbusState, Error> {
        state(watcher, &format!("{}/state", self.backend))
    }

    /// Waits for a state of the back end that is wanted, or for the time; its state then.
    pub fn wait_for(
        &self,
        watcher: &mut Watcher,
        until: Duration,
        wanted: impl Fn(XenbusState) -> bool,
    ) -> Result<XenbusState, Error> {
        loop {
            let state = self.backend_state(watcher)?;
            if wanted(state) || clock::now() >= until {
                return Ok(state);
            }
            watcher.wait_for(&self.token, until.min(clock::now() + PAUSE));
        }
    }

    /// Writes nodes of the own directory and then its state, all at once.
    pub fn publish(
        &self,
        watcher: &mut Watcher,
        nodes: &[(&str, String)],
        own: XenbusState,
    ) -> Result<(), Error> {
        let mut nodes: Vec<(&str, String)> = nodes.to_vec();
        nodes.push(("state", own.number().to_string()));
        let client = watcher.client();
        let there = format!("{}/backend", self.directory);
        match watcher.wait(client.write_below(&there, &self.directory, &nodes))? {
            true => Ok(()),
            false => Err(Error::NotFound),
        }
    }

    /// Forgets the device: its back end's state is no longer watched.
    pub fn leave(self, watcher: &mut Watcher) -> Result<(), Error> {
        watcher.unwatch(&format!("{}/state", self.backend), &self.token)
    }
}

/// The back end that a device names, once it is there.
fn look(watcher: &mut Watcher, directory: &str) -> Result<Option<(String, DomId)>, Error> {
    let client = watcher.client();
    let id = watcher.wait(client.read_number(&format!("{directory}/backend-id")));
    let backend = watcher.wait(client.read(&format!("{directory}/backend")));
    match (backend, id.map(DomId::new)) {
        (Ok(backend), Ok(Some(domain))) => Ok(Some((backend, domain))),
        (Err(error @ (Error::Broken | Error::Timeout | Error::Busy)), _) => Err(error),
        _ => Ok(None),
    }
}

fn state(watcher: &mut Watcher, path: &str) -> Result<XenbusState, Error> {
    let client = watcher.client();
    match watcher.wait(client.read(path)) {
        Ok(text) => Ok(XenbusState::parse(&text)),
        Err(Error::NotFound | Error::Denied | Error::BadReply) => Ok(XenbusState::Unknown),
        Err(error) => Err(error),
    }
}
