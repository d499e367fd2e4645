//! Whether a partner is still there that has acknowledged everything, but has not fetched a large message yet.
//!
//! It may take its time: the receive may be posted in an hour. The original waits for ever, even if the partner is gone.
//! Here it is asked: an empty message repeats the number of the newest message that it has acknowledged. To every node,
//! native ones included, that is a duplicate: whoever has it repeats its acknowledgement (protocol.md §5), where the
//! endpoint is gone a board answers with a nack, and no application sees any of it.

use alloc::vec::Vec;

use mx_records::record;
use mx_ring::{Command, CommandBody, Place};
use mx_wire::{Content, Eager, Message, TINY_MAX};

use crate::code::Code;
use crate::engine::Engine;
use crate::queue_port::QueuePort;
use crate::resend::transmissions_before;
use crate::state::keys::{OutgoingKey, PartnerKey};
use crate::state::liveness::{DOUBLINGS_MAX, Liveness, PAUSE, PAUSE_MAX};
use crate::state::outgoing::Body;
use crate::state::partner::Partner;

impl Engine {
    /// A large message to this partner begins to wait until it is fetched.
    pub(crate) fn check_liveness_later(&mut self, key: PartnerKey) {
        let Some(partner) = self.partners.get_mut(key) else {
            return;
        };
        if partner.liveness.at.is_none() {
            let at = self.now + PAUSE;
            partner.liveness = Liveness::begun(self.now, at);
            self.resend_by(at);
        }
    }

    /// Asks a partner that was not heard for a while. True when it must be given up.
    pub(crate) fn check_liveness(&mut self, key: PartnerKey, port: &mut impl QueuePort) -> bool {
        let Some(due) = self.partners.get(key).and_then(|p| p.liveness.at) else {
            return false;
        };
        if due > self.now {
            self.resend_by(due);
            return false;
        }
        let waiting = self.waiting_large(key);
        let timeouts = waiting
            .iter()
            .filter_map(|at| self.outgoing.get(*at))
            .map(|message| self.requests.timeout_of(message.request));
        let timeout = timeouts.min();
        let Some(partner) = self.partners.get_mut(key) else {
            return false;
        };
        let liveness = &mut partner.liveness;
        let Some(timeout) = timeout else {
            liveness.at = None;
            return false;
        };
        let quiet_until = liveness.heard + liveness.pause();
        let at = if liveness.unanswered == 0 && quiet_until > self.now {
            quiet_until
        } else if !partner.unacked.is_empty() || !partner.connects.is_empty() {
            // What is sent again brings an answer, or its partner is given up for it.
            self.now + PAUSE
        } else {
            let silent = self.now.saturating_sub(liveness.heard);
            if silent >= timeout
                && liveness.unanswered >= transmissions_before(&self.config, timeout)
            {
                return true;
            }
            let shortest = self.config.resend_delay;
            let longest = (timeout / 16).clamp(shortest, PAUSE_MAX);
            let wait = shortest * (1 << liveness.unanswered.min(DOUBLINGS_MAX));
            liveness.unanswered += 1;
            ask(partner, port);
            self.now + wait.min(longest)
        };
        if let Some(partner) = self.partners.get_mut(key) {
            partner.liveness.at = Some(at);
        }
        self.resend_by(at);
        false
    }

    /// A probe was refused: what waits for the partner will not be fetched.
    pub(crate) fn liveness_refused(
        &mut self,
        key: PartnerKey,
        code: Code,
        port: &mut impl QueuePort,
    ) {
        for message in self.waiting_large(key) {
            self.end_outgoing(message, code, port);
        }
    }

    /// Large messages that the partner has acknowledged and not fetched.
    fn waiting_large(&self, partner: PartnerKey) -> Vec<OutgoingKey> {
        let waits = |body: &Body| {
            matches!(
                body,
                Body::Large {
                    acked: true,
                    notified: None,
                    ..
                }
            )
        };
        let of_partner = self
            .outgoing
            .iter()
            .filter(|(_, outgoing)| outgoing.partner == partner && waits(&outgoing.body));
        of_partner.map(|(key, _)| key).collect()
    }
}

/// Without room in the queue it is a lost frame.
fn ask(partner: &mut Partner, port: &mut impl QueuePort) {
    let Some(to) = partner.destination() else {
        return;
    };
    let message = Message {
        seq: partner.confirmed.previous().to_wire(),
        ack: partner.next_fragment.to_wire(),
        content: Content::Tiny(Eager {
            match_info: 0,
            length: 0,
        }),
    };
    let posted = port.post(
        &Command {
            to,
            body: CommandBody::Message(message, Place::Inline([0; TINY_MAX])),
        },
        &[],
    );
    if posted {
        record!(
            debug,
            "asked whether it is there: TINY {to}, seq {}",
            message.seq
        );
        partner.last_acked = partner.next_fragment;
        partner.ack_due = None;
    }
}
