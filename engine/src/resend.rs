//! Retransmission and giving up (protocol.md §8).
//!
//! One timer for each partner, for its oldest unacknowledged message. What is sent again when it expires:
//!
//! * the oldest messages, since nothing after a gap is acknowledged;
//! * the newest one, since a native partner that has everything repeats its acknowledgement for that one alone;
//! * some of the others, in any order, so that no loss pattern meets the same message each time.

use alloc::vec::Vec;
use core::time::Duration;

use mx_records::record;
use mx_wire::FrameKind;

use crate::config::Config;
use crate::connect::request_command;
use crate::engine::Engine;
use crate::queue_port::QueuePort;
use crate::state::keys::{OutgoingKey, PartnerKey};

/// Transmissions before a partner may be given up, unless a shorter timeout has room for fewer: the application may not
/// have called for long.
const TRANSMISSIONS_MIN: u32 = 8;
/// Commands that may be sent again at once while that brings answers; twice as many at the first silence, and so on.
const BURST: u32 = 8;
/// The most: a part of the queue, and less than a partner's receive ring holds.
const BURST_MAX: u32 = 64;

impl Engine {
    /// Something must be sent again at `at`, if nothing acknowledges it before.
    #[inline]
    pub(crate) fn resend_by(&mut self, at: Duration) {
        self.resend_at = Some(self.resend_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Starts a partner's timer anew, from when its oldest unacknowledged message was last sent.
    #[inline]
    pub(crate) fn time_oldest(&mut self, key: PartnerKey) {
        let Some(partner) = self.partners.get_mut(key) else {
            return;
        };
        let oldest = partner
            .unacked
            .front()
            .and_then(|at| self.outgoing.get(*at));
        partner.resend_at =
            oldest.map(|oldest| oldest.last_sent + partner.round_trip.wait(&self.config));
        if let Some(at) = partner.resend_at {
            self.resend_by(at);
        }
    }

    /// Sends again what has waited too long for its acknowledgement. All partners are looked at, but only when the
    /// earliest of their timers was due when this was last done.
    pub(crate) fn resend_due(&mut self, port: &mut impl QueuePort) {
        if self.resend_at.is_none_or(|at| at > self.now) {
            return;
        }
        self.resend_at = None;
        for key in self.partners.keys() {
            if self.resend_to(key, port)
                || self.reconnect(key, port)
                || self.check_liveness(key, port)
            {
                self.give_up(key, port);
            }
        }
    }

    /// True when the partner must be given up.
    fn resend_to(&mut self, key: PartnerKey, port: &mut impl QueuePort) -> bool {
        let Some(partner) = self.partners.get_mut(key) else {
            return false;
        };
        let Some(due) = partner.resend_at else {
            return false;
        };
        if due > self.now {
            self.resend_by(due);
            return false;
        }
        let oldest = partner
            .unacked
            .front()
            .and_then(|at| self.outgoing.get(*at));
        let Some(oldest) = oldest else {
            partner.resend_at = None;
            return false;
        };
        let (transmissions, answered) = (oldest.transmissions, partner.answered);
        let hopeless = partner.unacked.iter().any(|at| {
            self.outgoing.get(*at).is_some_and(|message| {
                let timeout = self.requests.timeout_of(message.request);
                let silent = self.now.saturating_sub(message.first_sent.max(answered));
                silent >= timeout && transmissions >= transmissions_before(&self.config, timeout)
            })
        });
        if hopeless {
            return true;
        }
        let silent = core::mem::replace(&mut partner.resent, true);
        if silent {
            partner.round_trip.unanswered();
        }
        let at = self.now + partner.round_trip.wait(&self.config);
        partner.resend_at = Some(at);
        self.resend_by(at);
        for message in self.burst(key, silent) {
            // Without room for it now it stays overdue, hence is a candidate the next time.
            self.transmit(message, port);
        }
        false
    }

    /// The messages to a partner that are sent again now, in the order in which that is done. As long as each time
    /// brings an acknowledgement, the first gap and the end are enough.
    fn burst(&mut self, key: PartnerKey, silent: bool) -> Vec<OutgoingKey> {
        let Some(partner) = self.partners.get(key) else {
            return Vec::new();
        };
        let usual = partner.round_trip.usual(&self.config);
        let mut budget = if silent {
            BURST_MAX.min(BURST << partner.round_trip.doublings())
        } else {
            BURST
        };
        let overdue = partner.unacked.iter().filter_map(|at| {
            let message = self.outgoing.get(*at)?;
            (message.last_sent + usual <= self.now)
                .then(|| (*at, message.commands(self.config.medium_fragment)))
        });
        let mut rest: Vec<(OutgoingKey, u32)> = overdue.collect();
        let mut chosen = Vec::new();
        let mut oldest = rest.len().min(1);
        let mut commands = 0;
        for (_, more) in rest.iter().skip(1) {
            commands += more;
            oldest += usize::from(commands <= budget / 2);
        }
        chosen.extend(rest.drain(..oldest));
        chosen.extend(rest.pop());
        self.random.shuffle(&mut rest);
        for (_, commands) in &chosen {
            budget = budget.saturating_sub(*commands);
        }
        for (message, commands) in rest {
            if budget == 0 {
                break;
            }
            budget = budget.saturating_sub(commands);
            chosen.push((message, commands));
        }
        self.random.shuffle(&mut chosen);
        chosen.into_iter().map(|(message, _)| message).collect()
    }

    /// Repeats the connects of a partner, ever more rarely. True when it must be given up.
    fn reconnect(&mut self, key: PartnerKey, port: &mut impl QueuePort) -> bool {
        let now = self.now;
        let mut next = None;
        if let Some(partner) = self.partners.get_mut(key) {
            let (peer, endpoint) = (partner.peer, partner.endpoint);
            for connect in &mut partner.connects {
                let timeout = self.requests.timeout_of(Some(connect.request));
                let enough = transmissions_before(&self.config, timeout);
                let end = connect.first_sent.checked_add(timeout);
                let end = end.filter(|_| connect.transmissions >= enough);
                if end.is_some_and(|end| end <= now) {
                    return true;
                }
                if connect.next <= now {
                    let command = request_command(peer, endpoint, connect);
                    port.post(&command, &[]);
                    record!(
                        debug,
                        "sent again, {} times before: {command}",
                        connect.transmissions
                    );
                    connect.transmissions += 1;
                    connect.wait = (connect.wait * 2).min(self.config.connect_wait_max);
                    connect.next = now + connect.wait;
                    self.counts.resent.add(FrameKind::Connect, 1);
                }
                next = [next, Some(connect.next), end].into_iter().flatten().min();
            }
        }
        if let Some(next) = next {
            self.resend_by(next);
        }
        false
    }
}

/// Transmissions before a message that is tried for so long may be given up, however much time has passed.
pub(crate) fn transmissions_before(config: &Config, timeout: Duration) -> u32 {
    let delay = config.resend_delay.as_millis().max(1);
    let regular = timeout.as_millis().div_ceil(delay);
    u32::try_from(regular).map_or(TRANSMISSIONS_MIN, |r| r.clamp(1, TRANSMISSIONS_MIN))
}
