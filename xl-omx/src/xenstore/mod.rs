//! xenstore, as far as devices need it.

mod client;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
pub mod message;
#[cfg(any(test, feature = "fake"))]
pub mod tree;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub use client::Client;

/// Why a request to xenstore failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Neither the socket nor the device could be opened.
    #[error("cannot reach xenstored ({0}): run this in dom0 of a Xen host, as root")]
    Unreachable(std::io::Error),
    /// The connection broke.
    #[error("the connection to xenstored broke: {0}")]
    Broken(#[from] std::io::Error),
    /// xenstored takes requests and answers none.
    #[error("xenstored has not answered for {} s: is it alive? see `pgrep xenstored`", .0.as_secs())]
    Silent(Duration),
    /// xenstored refused a request.
    #[error("xenstore refuses {operation} of '{path}': {code}")]
    Refused {
        /// What was asked.
        operation: &'static str,
        /// Of which node.
        path: String,
        /// The error's name, like ENOENT.
        code: String,
    },
    /// A transaction was in vain each time.
    #[error("others change the same nodes of xenstore all the time: try again")]
    Contended,
    /// A path that is not absolute would lead into dom0's own directory.
    #[error("'{0}' is no path of xenstore")]
    BadPath(String),
    /// xenstored sent something that its protocol does not have.
    #[error("xenstored sent a malformed answer: {0}")]
    Malformed(&'static str),
}

impl StoreError {
    fn is(&self, name: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == name)
    }

    /// Whether the connection is of no use any more.
    pub fn ends_the_connection(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_) | Self::Broken(_) | Self::Silent(_) | Self::Malformed(_)
        )
    }
}

/// Paths, by how many watch them.
#[derive(Debug, Default)]
pub struct Watches(BTreeMap<String, usize>);

impl Watches {
    /// One more watches a path; whether nobody did.
    pub fn add(&mut self, path: &str) -> bool {
        let count = self.0.entry(path.into()).or_default();
        *count += 1;
        *count == 1
    }

    /// One lets go of it; whether nobody watches it any more.
    pub fn remove(&mut self, path: &str) -> bool {
        let Some(count) = self.0.get_mut(path) else {
            return false;
        };
        *count -= 1;
        let last = *count == 0;
        if last {
            self.0.remove(path);
        }
        last
    }
}

/// Who may do what with a node, as `SET_PERMS` takes it: the owner, and one reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// Owns the node: reads and writes it.
    pub owner: u32,
    /// Reads it.
    pub reader: u32,
}

/// A transaction: 0 is none.
pub type Transaction = u32;

/// No transaction.
pub const NONE: Transaction = 0;

/// What the logic needs of xenstore; a fake implements it for tests.
pub trait Store {
    /// A node's value; `None` when it does not exist. What is not UTF-8 in it becomes U+FFFD.
    fn read(&mut self, t: Transaction, path: &str) -> Result<Option<String>, StoreError>;
    /// Names of a node's children; empty when it does not exist.
    fn list(&mut self, t: Transaction, path: &str) -> Result<Vec<String>, StoreError>;
    /// Writes a node, making its parents.
    fn write(&mut self, t: Transaction, path: &str, value: &str) -> Result<(), StoreError>;
    /// Removes a node and what is below; nothing happens when it does not exist.
    fn remove(&mut self, t: Transaction, path: &str) -> Result<(), StoreError>;
    /// Sets a node's permissions; nodes made below it later inherit them.
    fn set_permissions(
        &mut self,
        t: Transaction,
        path: &str,
        permissions: Permissions,
    ) -> Result<(), StoreError>;
    /// Starts a transaction.
    fn begin(&mut self) -> Result<Transaction, StoreError>;
    /// Ends it; false when it must be tried again because somebody else changed what it touched.
    fn commit(&mut self, t: Transaction) -> Result<bool, StoreError>;
    /// Drops it.
    fn abort(&mut self, t: Transaction) -> Result<(), StoreError>;
    /// From now on, a change at or below `path` ends a wait, until as many as have watched it have let go of it.
    fn watch(&mut self, path: &str) -> Result<(), StoreError>;
    /// Ends what one [`Store::watch`] began; others may watch the same for something else.
    fn unwatch(&mut self, path: &str) -> Result<(), StoreError>;
    /// Waits for a change of what is watched; false when there was none until then. A change that came since the last
    /// wait counts.
    fn wait(&mut self, until: Instant) -> Result<bool, StoreError>;
    /// The time by which waits are measured.
    fn now(&self) -> Instant;
    /// Pauses between two tries of a transaction.
    fn pause(&mut self, time: Duration);
}

/// Tries of a transaction. The pauses between them grow by a millisecond: five seconds in all.
const TRIES: u64 = 100;

/// Runs `body` in a transaction, again when others interfere.
pub fn transaction<S: Store, T, E: From<StoreError>>(
    store: &mut S,
    mut body: impl FnMut(&mut S, Transaction) -> Result<T, E>,
) -> Result<T, E> {
    for failed in 0..TRIES {
        store.pause(Duration::from_millis(failed));
        let t = store.begin()?;
        match body(store, t) {
            Ok(value) => {
                if store.commit(t)? {
                    return Ok(value);
                }
            }
            Err(error) => {
                // Why the body failed says more than that this failed, too.
                let _ = store.abort(t);
                return Err(error);
            }
        }
    }
    Err(StoreError::Contended.into())
}
