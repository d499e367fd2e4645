//! What a board knows of an open endpoint.

use alloc::vec::Vec;

use crate::departed::Word;
use crate::pull::{PullTable, ReplyJobs};
use crate::share::Share;

/// What a board knows of an open endpoint. Its queues, regions and windows are its backend's affair.
#[derive(Debug)]
pub(crate) struct EndpointRecord {
    pub session: u32,
    pub pulls: PullTable,
    pub replies: ReplyJobs,
    /// What its process has left for when it is closed.
    pub words: Vec<Word>,
    pub share: Share,
    /// Its replies are sent before its pulls go on; else after.
    pub replies_first: bool,
}

impl EndpointRecord {
    pub fn new(session: u32, pulls: PullTable) -> Self {
        Self {
            session,
            pulls,
            replies: ReplyJobs::default(),
            words: Vec::new(),
            share: Share::default(),
            replies_first: false,
        }
    }

    /// Whether it has to be given a turn.
    pub fn has_work(&self) -> bool {
        !self.replies.is_empty() || self.pulls.waiting() > 0 || self.pulls.is_retrying()
    }
}
