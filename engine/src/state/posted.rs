//! Receives that wait for their message.

use crate::state::keys::RequestKey;
use crate::state::selection::Selection;

/// A receive that no message has matched yet.
#[derive(Clone, Copy, Debug)]
pub struct PostedReceive {
    /// What it completes.
    pub request: RequestKey,
    /// The messages that it takes; the bits of the context id count always.
    pub wanted: Selection,
}
