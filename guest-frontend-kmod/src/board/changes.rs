//! Changes of a board by an administrator of the guest: one at a time, since the answer has to find who asked.

use core::task::Poll;

use mx_ring::admin::Change;
use mx_ring::control::{ControlRequest, Status};

use super::{Board, Uplink};
use crate::errno::Errno;
use crate::in_flight::Subject;
use crate::kernel::Kernel;
use crate::lock::Lock;
use crate::shared::Shared;

/// A change that the backend was asked for.
pub struct Asked {
    /// Who asked; none once it was killed.
    by: Option<u32>,
    answer: Option<Status>,
}

impl Asked {
    /// Whether the backend has answered, and who asked has not taken note.
    pub fn is_answered(&self) -> bool {
        self.answer.is_some()
    }
}

impl<K: Kernel> Board<K> {
    /// Asks for a change under a number that no other one has, and again until it is ready. What the backend refuses is
    /// `NOT_SUPPORTED` when no guest may do it, `INVALID` when it cannot be, `NO_SPACE` when its peer table is full.
    pub fn change(
        &self,
        shared: &Shared<K>,
        number: u32,
        change: &Change,
    ) -> Poll<Result<(), Errno>> {
        let answer = self.uplink.with(|uplink| {
            let idle = uplink.asked.is_none();
            let request = ControlRequest::Change(*change);
            let link = match uplink.serving() {
                Poll::Ready(link) => Some(link?),
                Poll::Pending => None,
            };
            if idle && link.is_some_and(|link| link.post(&shared.kernel, Subject::Change, &request))
            {
                uplink.asked = Some(Asked {
                    by: Some(number),
                    answer: None,
                });
            }
            let ours = |asked: &Asked| asked.by == Some(number) && asked.answer.is_some();
            match uplink.asked.as_ref().is_some_and(ours) {
                true => Ok(uplink.asked.take().and_then(|asked| asked.answer)),
                false => Ok(None),
            }
        });
        let status = match answer {
            Err(error) => return Poll::Ready(Err(error)),
            Ok(None) => return Poll::Pending,
            Ok(Some(status)) => status,
        };
        // The next one's turn.
        shared.kernel.wake_callers(self.number);
        Poll::Ready(match status {
            Status::Ok => Ok(()),
            Status::Denied => Err(Errno::NOT_SUPPORTED),
            Status::NoSpace => Err(Errno::NO_SPACE),
            _ => Err(Errno::INVALID),
        })
    }

    /// Who asked for a change was killed.
    pub fn abandon_change(&self, shared: &Shared<K>, number: u32) {
        self.uplink.with(|uplink| {
            if let Some(asked) = &mut uplink.asked
                && asked.by == Some(number)
            {
                asked.by = None;
                if asked.answer.is_some() {
                    uplink.asked = None;
                }
            }
        });
        shared.kernel.wake_callers(self.number);
    }
}

impl<K: Kernel> Uplink<K> {
    pub(super) fn answer_change(&mut self, status: Status) {
        let asked = self.asked.take().filter(|asked| asked.by.is_some());
        self.asked = asked.map(|asked| Asked {
            answer: Some(status),
            ..asked
        });
    }
}
