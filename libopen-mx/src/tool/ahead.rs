//! Receives that are posted ahead of their messages.

use std::collections::VecDeque;
use std::time::Duration;

use super::line::{Failure, Line};
use super::partner::Partner;
use crate::code::Code;
use crate::endpoint::{Request, Status};
use crate::engine::Memory;

/// Receives in the order in which they were posted, each with a word of the tool's own (where its bytes are). Those that
/// are left are taken back when this value is dropped.
pub struct Ahead<'a, W> {
    line: &'a Line,
    info: u64,
    mask: u64,
    posted: VecDeque<(Request, Memory, W)>,
}

impl<'a, W> Ahead<'a, W> {
    /// For messages whose match info, masked, is `info`.
    pub fn new(line: &'a Line, info: u64, mask: u64) -> Self {
        Self {
            line,
            info,
            mask,
            posted: VecDeque::new(),
        }
    }

    /// Posts one more.
    pub fn post(&mut self, memory: Memory, word: W) -> Result<(), Failure> {
        let request = self.line.receive(memory.clone(), self.info, self.mask)?;
        self.posted.push_back((request, memory, word));
        Ok(())
    }

    /// Waits for the next message of a partner, `limit` as in [`Partner::end_of`]; `None` when none is posted. What
    /// others send meanwhile is dropped.
    pub fn next(
        &mut self,
        partner: &Partner<'_>,
        limit: Option<Duration>,
    ) -> Result<Option<(Status, W)>, Failure> {
        while let Some((request, memory, word)) = self.posted.pop_front() {
            let status = partner.end_of(request, limit)?;
            if !partner.has_sent(&status) && status.address.is_some() {
                self.post(memory, word)?;
                continue;
            }
            if status.code == Code::MessageTruncated {
                let room = status.transferred as usize;
                return Err(Failure::Length(status.message_length, room));
            }
            return Ok(Some((partner.succeeded("receive", status)?, word)));
        }
        Ok(None)
    }
}

impl<W> Drop for Ahead<'_, W> {
    fn drop(&mut self) {
        for (request, ..) in self.posted.drain(..) {
            self.line.take_back(request);
        }
    }
}
