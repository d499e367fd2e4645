//! Pulls that take longer than their request's timeout are given up; the board has a time of its own, which is long
//! (protocol.md §8, §13).

use core::time::Duration;

use mx_records::record;
use mx_ring::{Command, CommandBody};

use crate::engine::Engine;
use crate::queue_port::QueuePort;

impl Engine {
    /// The time of some pull may be over at `at`.
    pub(crate) fn pull_expires_by(&mut self, at: Option<Duration>) {
        self.pull_expiry = [self.pull_expiry, at].into_iter().flatten().min();
    }

    /// Aborts the pulls whose time is over. They are all looked at, but only when that of one of them may be.
    pub(crate) fn expire_pulls(&mut self, port: &mut impl QueuePort) {
        if self.pull_expiry.is_none_or(|at| at > self.now) {
            return;
        }
        self.pull_expiry = None;
        let mut next: Option<Duration> = None;
        for (cookie, pull) in &mut self.pulls {
            let Some(began) = pull.began.filter(|_| !pull.expired) else {
                continue;
            };
            let timeout = self.requests.timeout_of(Some(pull.request));
            let Some(mut at) = began.checked_add(timeout) else {
                continue;
            };
            if at <= self.now {
                pull.expired = port.post(
                    &Command::to_board(CommandBody::AbortPull { cookie: *cookie }),
                    &[],
                );
                if pull.expired {
                    record!(debug, "pull takes too long: cookie {cookie}, {timeout:?}");
                    continue;
                }
                at = self.now + self.config.registration_pause;
            }
            next = Some(next.map_or(at, |earlier| earlier.min(at)));
        }
        self.pull_expires_by(next);
    }
}
