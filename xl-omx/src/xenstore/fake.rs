//! xenstore in memory, for tests: no daemon, a time of its own, and others who act while somebody waits.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::tree::{Pending, Permission, Tree};
use super::{NONE, Permissions, Store, StoreError, Transaction, Watches};

/// What others do to the tree.
pub type Deed = Box<dyn FnMut(&mut Tree)>;

/// A xenstore without a daemon.
pub struct Fake {
    /// The committed tree.
    pub tree: Tree,
    open: Option<Pending>,
    /// How many commits are still answered with EAGAIN.
    pub interfere: u64,
    /// What others do, one at each wait.
    pub deeds: VecDeque<Deed>,
    /// What others do at every request.
    pub always: Option<Deed>,
    /// What is watched.
    pub watched: Watches,
    now: Instant,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            tree: Tree::default(),
            open: None,
            interfere: 0,
            deeds: VecDeque::new(),
            always: None,
            watched: Watches::default(),
            now: Instant::now(),
        }
    }
}

impl Fake {
    /// A store with these nodes.
    pub fn with(nodes: &[(&str, &str)]) -> Self {
        let mut fake = Self::default();
        for (path, value) in nodes {
            fake.set(path, value);
        }
        fake
    }

    /// dom0 writes a node.
    pub fn set(&mut self, path: &str, value: &str) {
        let written = self.tree.write(0, path, value.as_bytes());
        written.expect("dom0 may write everything");
    }

    /// A node's value.
    pub fn value(&self, path: &str) -> Option<String> {
        let node = self.tree.node(path)?;
        Some(String::from_utf8_lossy(&node.value).into_owned())
    }

    /// Time passes.
    pub fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn act(&mut self) {
        if let Some(deed) = &mut self.always {
            deed(&mut self.tree);
        }
    }
}

fn refused(operation: &'static str, path: &str, code: &str) -> StoreError {
    StoreError::Refused {
        operation,
        path: path.into(),
        code: code.into(),
    }
}

fn there<T>(
    result: Result<T, &str>,
    operation: &'static str,
    path: &str,
) -> Result<Option<T>, StoreError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err("ENOENT") => Ok(None),
        Err(code) => Err(refused(operation, path, code)),
    }
}

impl Store for Fake {
    fn read(&mut self, t: Transaction, path: &str) -> Result<Option<String>, StoreError> {
        self.act();
        let read = match &mut self.open {
            Some(pending) if t != NONE => pending.read(path),
            _ => self.tree.read(0, path),
        };
        let bytes = there(read, "read", path)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn list(&mut self, t: Transaction, path: &str) -> Result<Vec<String>, StoreError> {
        self.act();
        let listed = match &mut self.open {
            Some(pending) if t != NONE => pending.list(path),
            _ => self.tree.list(0, path),
        };
        let names = there(listed, "list", path)?.unwrap_or_default();
        Ok(names.into_iter().collect())
    }

    fn write(&mut self, t: Transaction, path: &str, value: &str) -> Result<(), StoreError> {
        let written = match &mut self.open {
            Some(pending) if t != NONE => pending.write(path, value.as_bytes()),
            _ => self.tree.write(0, path, value.as_bytes()),
        };
        written.map_err(|code| refused("write", path, code))
    }

    fn remove(&mut self, t: Transaction, path: &str) -> Result<(), StoreError> {
        let removed = match &mut self.open {
            Some(pending) if t != NONE => pending.remove(path),
            _ => self.tree.remove(0, path),
        };
        there(removed, "remove", path).map(drop)
    }

    fn set_permissions(
        &mut self,
        t: Transaction,
        path: &str,
        p: Permissions,
    ) -> Result<(), StoreError> {
        let entry = |access, domain| Permission { access, domain };
        let who = vec![entry('n', p.owner), entry('r', p.reader)];
        let set = match &mut self.open {
            Some(pending) if t != NONE => pending.set_permissions(path, who),
            _ => self.tree.set_permissions(0, path, who),
        };
        set.map_err(|code| refused("change of permissions", path, code))
    }

    fn begin(&mut self) -> Result<Transaction, StoreError> {
        self.open = Some(Pending::begin(&self.tree));
        Ok(1)
    }

    fn commit(&mut self, _: Transaction) -> Result<bool, StoreError> {
        let pending = self.open.take().expect("a transaction was begun");
        if self.interfere > 0 {
            self.interfere -= 1;
            return Ok(false);
        }
        match pending.commit(&mut self.tree) {
            Ok(()) => Ok(true),
            Err("EAGAIN") => Ok(false),
            Err(code) => Err(refused("end", "transaction", code)),
        }
    }

    fn abort(&mut self, _: Transaction) -> Result<(), StoreError> {
        self.open = None;
        Ok(())
    }

    fn watch(&mut self, path: &str) -> Result<(), StoreError> {
        self.watched.add(path);
        Ok(())
    }

    fn unwatch(&mut self, path: &str) -> Result<(), StoreError> {
        self.watched.remove(path);
        Ok(())
    }

    fn wait(&mut self, until: Instant) -> Result<bool, StoreError> {
        match self.deeds.pop_front() {
            Some(mut deed) => {
                deed(&mut self.tree);
                Ok(true)
            }
            None => {
                self.now = self.now.max(until);
                Ok(false)
            }
        }
    }

    fn now(&self) -> Instant {
        self.now
    }

    fn pause(&mut self, time: Duration) {
        self.now += time;
    }
}
