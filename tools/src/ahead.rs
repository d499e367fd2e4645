//! Receives that are posted ahead of their messages.

use std::collections::VecDeque;
use std::time::Duration;

use mx_engine::Code;
use open_mx::{Buffer, Request, Status};

use super::line::{Failure, Line};
use super::partner::Partner;
use super::zeroed;

/// Receives in the order in which they were posted, each with a word of the tool's own (where its bytes are). Those that
/// are left are taken back when this value is dropped.
pub struct Ahead<'a, W> {
    line: &'a Line,
    info: u64,
    mask: u64,
    posted: VecDeque<Posted<W>>,
}

struct Posted<W> {
    request: Request,
    buffer: Buffer,
    offset: usize,
    length: usize,
    word: W,
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

    /// Posts one more, of this part of a buffer.
    pub fn post(
        &mut self,
        buffer: &Buffer,
        offset: usize,
        length: usize,
        word: W,
    ) -> Result<(), Failure> {
        let memory = buffer.part(offset, length)?;
        self.posted.push_back(Posted {
            request: self.line.receive(memory, self.info, self.mask)?,
            buffer: buffer.clone(),
            offset,
            length,
            word,
        });
        Ok(())
    }

    /// Waits for the next message of a partner, `limit` as in [`Partner::end_of`]; `None` when none is posted. What
    /// others send meanwhile is kept until they are served.
    pub fn next(
        &mut self,
        partner: &Partner<'_>,
        limit: Option<Duration>,
    ) -> Result<Option<(Status, W)>, Failure> {
        while let Some(posted) = self.posted.pop_front() {
            let status = partner.end_of(posted.request, limit)?;
            if !partner.has_sent(&status) && status.address.is_some() {
                let mut bytes = zeroed(status.transferred as usize)?;
                posted.buffer.read(posted.offset, &mut bytes)?;
                self.line.keep(&status, bytes);
                self.post(&posted.buffer, posted.offset, posted.length, posted.word)?;
                continue;
            }
            if status.code == Code::MessageTruncated {
                let room = status.transferred as usize;
                return Err(Failure::Length(status.message_length, room));
            }
            return Ok(Some((partner.succeeded("receive", status)?, posted.word)));
        }
        Ok(None)
    }
}

impl<W> Drop for Ahead<'_, W> {
    fn drop(&mut self) {
        for posted in self.posted.drain(..) {
            self.line.take_back(posted.request);
        }
    }
}
