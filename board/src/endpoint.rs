//! What a board knows of an open endpoint.

use alloc::vec::Vec;

use crate::departed::Word;
use crate::pull::{PullTable, ReplyJobs};

/// What a board knows of an open endpoint. Its queues, regions and windows are its backend's affair.
#[derive(Debug)]
pub(crate) struct EndpointRecord {
    pub session: u32,
    pub pulls: PullTable,
    pub replies: ReplyJobs,
    /// What its process has left for when it is closed.
    pub words: Vec<Word>,
}

impl EndpointRecord {
    /// Whether it has to be given a turn.
    pub fn has_work(&self) -> bool {
        !self.replies.is_empty() || self.pulls.waiting() > 0
    }
}
