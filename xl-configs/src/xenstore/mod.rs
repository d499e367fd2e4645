//! xenstore, as far as devices need it.

mod client;
#[cfg(test)]
pub mod fake;
mod message;

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
    /// xenstored sent something that its protocol does not have.
    #[error("xenstored sent a malformed answer: {0}")]
    Malformed(&'static str),
}

impl StoreError {
    fn is(&self, name: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == name)
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
    /// A node's value; `None` when it does not exist.
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
}

/// Runs `body` in a transaction, again as often as others interfere.
pub fn transaction<S: Store, T, E: From<StoreError>>(
    store: &mut S,
    mut body: impl FnMut(&mut S, Transaction) -> Result<T, E>,
) -> Result<T, E> {
    loop {
        let t = store.begin()?;
        match body(store, t) {
            Ok(value) => {
                if store.commit(t)? {
                    return Ok(value);
                }
            }
            Err(error) => {
                store.abort(t)?;
                return Err(error);
            }
        }
    }
}
