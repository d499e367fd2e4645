//! What is done although nothing has come, and when.

use core::time::Duration;

use crate::engine::Engine;
use crate::queue_port::QueuePort;

impl Engine {
    /// What a progress round does after the events: resends, delayed messages, due acknowledgements.
    pub fn work(&mut self, port: &mut impl QueuePort) {
        self.judge(port);
        self.work_between(port);
    }

    /// The first part of it: what has waited too long for an answer is sent again, or given up.
    #[inline]
    pub fn judge(&mut self, port: &mut impl QueuePort) {
        self.resend_due(port);
        self.expire_pulls(port);
    }

    /// The rest, which is all of it while more events wait, for a caller that takes only so many at once: the answer may be
    /// among them.
    pub fn work_between(&mut self, port: &mut impl QueuePort) {
        self.transmit.settle(port.sent());
        if self.awaits_memory() {
            self.ask_again(port);
            self.start_pulls(port);
            self.export_wanted(port);
            self.send_delayed(port);
        }
        if !self.throttled.is_empty() {
            self.send_throttled(port);
        }
        self.send_due_acks(port);
    }

    /// Whether [`Self::work`] may find something to do at this time although no event has come: what is due, and what waits
    /// for room, memory or acknowledgements.
    #[inline]
    pub fn has_work(&self, now: Duration) -> bool {
        let due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        due(self.ack_at)
            || due(self.resend_at)
            || due(self.pull_expiry)
            || self.awaits_memory()
            || self.has_offers()
            || !self.throttled.is_empty()
    }

    fn awaits_memory(&self) -> bool {
        !(self.delayed.is_empty()
            && self.pulls_waiting.is_empty()
            && self.pulls_again.is_empty()
            && self.wanted.is_empty())
    }

    /// When [`Self::work`] has something to do even if no event comes.
    #[inline]
    pub fn deadline(&self) -> Option<Duration> {
        // Whoever was refused memory before asks again no later than that.
        let retry = self
            .awaits_memory()
            .then(|| self.now + self.config.registration_pause);
        [self.ack_at, self.resend_at, self.pull_expiry, retry]
            .into_iter()
            .flatten()
            .min()
    }
}
