//! Retransmission and giving up (protocol.md §8).

use std::time::Duration;

use super::Engine;
use super::connect::request_command;
use super::link::Link;
use super::partner::PartnerKey;
use super::send::{OutgoingKey, Posted};

/// Transmissions before a partner may be given up, unless a shorter timeout has room for fewer: the application may not
/// have called for long.
const TRANSMISSIONS_MIN: u32 = 8;

impl Engine {
    /// Something must be sent again at `at`, if nothing acknowledges it before.
    pub(super) fn resend_by(&mut self, at: Duration) {
        self.resend_at = Some(self.resend_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Sends again what has waited too long for its acknowledgement. All partners are looked at, but only when the
    /// oldest message of all was due when this was last done.
    pub(super) fn resend_due(&mut self, link: &mut impl Link) {
        if self.resend_at.is_none_or(|at| at > self.now) {
            return;
        }
        self.resend_at = None;
        for key in self.partners.keys() {
            if self.resend_to(key, link) || self.reconnect(key, link) {
                self.give_up(key, link);
            }
        }
    }

    /// True when the partner must be given up.
    fn resend_to(&mut self, key: PartnerKey, link: &mut impl Link) -> bool {
        let count = self.partners.get(key).map_or(0, |p| p.unacked.len());
        for at in 0..count {
            let outgoing = self
                .partners
                .get(key)
                .and_then(|partner| partner.unacked.get(at).copied());
            if let Some(outgoing) = outgoing
                && self.resend(outgoing, link)
            {
                return true;
            }
        }
        false
    }

    fn resend(&mut self, key: OutgoingKey, link: &mut impl Link) -> bool {
        let Some(outgoing) = self.outgoing.get(key) else {
            return false;
        };
        let due = outgoing.last_sent + self.config.resend_delay;
        if due > self.now {
            self.resend_by(due);
            return false;
        }
        let age = self.now.saturating_sub(outgoing.first_sent);
        let timeout = self.timeout(outgoing.request);
        if age >= timeout && outgoing.transmissions >= self.transmissions_before(timeout) {
            return true;
        }
        if self.transmit(key, link) == Posted::Yes {
            self.resend_by(self.now + self.config.resend_delay);
        } else {
            self.resend_by(self.now + self.config.registration_pause);
        }
        false
    }

    /// Transmissions before a message that is tried for so long may be given up, however much time has passed.
    fn transmissions_before(&self, timeout: Duration) -> u32 {
        let delay = self.config.resend_delay.as_millis().max(1);
        let regular = timeout.as_millis().div_ceil(delay);
        u32::try_from(regular).map_or(TRANSMISSIONS_MIN, |r| r.clamp(1, TRANSMISSIONS_MIN))
    }

    /// Repeats the connects of a partner. True when it must be given up.
    fn reconnect(&mut self, key: PartnerKey, link: &mut impl Link) -> bool {
        let (now, delay) = (self.now, self.config.resend_delay);
        let mut next = None;
        let mut hopeless = false;
        let requests = &self.requests;
        if let Some(partner) = self.partners.get_mut(key) {
            let (peer, endpoint) = (partner.peer, partner.endpoint);
            for connect in &mut partner.connects {
                if connect.last_sent + delay <= now {
                    let tried = now.saturating_sub(connect.first_sent);
                    hopeless |= requests
                        .get(connect.request)
                        .is_some_and(|request| tried >= request.timeout);
                    link.post(&request_command(peer, endpoint, connect), &[]);
                    connect.last_sent = now;
                }
                let due = connect.last_sent + delay;
                next = Some(next.map_or(due, |earlier: Duration| earlier.min(due)));
            }
        }
        if let Some(next) = next {
            self.resend_by(next);
        }
        hopeless
    }
}
