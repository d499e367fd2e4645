//! What a board knows of an open endpoint.

use crate::pull::{PullTable, ReplyJobs};

/// An open endpoint. Its queues, regions and windows are its home's affair.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub session: u32,
    pub pulls: PullTable,
    pub replies: ReplyJobs,
}

impl Endpoint {
    /// Whether it has to be given a turn.
    pub fn has_work(&self) -> bool {
        !self.replies.is_empty() || self.pulls.waiting() > 0
    }
}
