//! The application's handler of unexpected messages, and which thread is within it.

use std::sync::Arc;

use mx_engine::Action;

use super::Address;
use super::thread::this_thread;

/// A message that no receive waits for.
#[derive(Debug)]
pub struct UnexpectedMessage<'a> {
    /// Who sent it.
    pub source: Option<Address>,
    /// Match info, as its sender gave it.
    pub match_info: u64,
    /// Bytes of it.
    pub length: u32,
    /// All of it, when it came at once.
    pub data: Option<&'a mut [u8]>,
}

/// A handler of unexpected messages.
pub type UnexpectedHandler = Arc<dyn Fn(UnexpectedMessage<'_>) -> Action + Send + Sync>;

/// The handler of an endpoint.
#[derive(Default)]
pub struct Handling {
    /// The application's function.
    pub handler: Option<UnexpectedHandler>,
    /// The thread within it.
    pub running: Option<usize>,
}

impl Handling {
    /// Whether it runs.
    pub fn running(&self) -> bool {
        self.running.is_some()
    }

    /// Whether the calling thread is within it.
    pub fn within(&self) -> bool {
        self.running.is_some_and(|thread| thread == this_thread())
    }
}
