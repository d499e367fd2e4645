//! The short way of a short message: sent to a partner for whom nothing waits, or received next of one of whom nothing is
//! incomplete. It does at once, with one look at each record, what `send` and `receive` do in several steps; whatever is not as
//! usual takes their way.

use mx_records::record;
use mx_ring::{Command, CommandBody, Place};
use mx_wire::{Content, Message};

use crate::engine::Engine;
use crate::memory::Payload;
use crate::queue_port::QueuePort;
use crate::send::UNACKED_MAX;
use crate::state::keys::{PartnerKey, RequestKey};
use crate::state::outgoing::{Body, Outgoing};
use crate::state::partner::Partner;
use crate::state::sequence::Sequence;

impl Engine {
    /// Sends a tiny or small message. Its request is done: the message has been copied. Gives the message back, with nothing
    /// done, when it is another one, or has to wait, or its partner is not connected.
    #[inline]
    pub(crate) fn send_at_once(
        &mut self,
        to: PartnerKey,
        body: Body,
        context: u64,
        port: &mut impl QueuePort,
    ) -> Result<RequestKey, Body> {
        let (eager, content, place, data) = match &body {
            Body::Tiny { eager, data } => {
                (*eager, Content::Tiny(*eager), Place::Inline(*data), &[][..])
            }
            Body::Small { eager, data } => (*eager, Content::Small(*eager), Place::Apart, &**data),
            _ => return Err(body),
        };
        if !self.delayed.is_empty() || self.zombies >= self.config.zombies_max {
            return Err(body);
        }
        let Some(partner) = self.partners.get_mut(to).filter(|it| is_free(it)) else {
            return Err(body);
        };
        let Some(destination) = partner.destination() else {
            return Err(body);
        };
        let (seq, ack) = (partner.next_send, partner.next_fragment);
        let command = Command {
            to: destination,
            body: CommandBody::Message(
                Message {
                    seq: seq.to_wire(),
                    ack: ack.to_wire(),
                    content,
                },
                place,
            ),
        };
        if !port.post(&command, data) {
            return Err(body);
        }
        record!(
            trace,
            "sent: {} {destination}, seq {}",
            content.name(),
            seq.to_wire()
        );
        let now = self.now;
        partner.next_send = seq.next();
        partner.last_acked = ack;
        partner.ack_due = None;
        let resend_at = match partner.resend_at {
            Some(_) => None,
            // It is the oldest that is not acknowledged.
            None => Some(now + partner.round_trip.wait(&self.config)),
        };
        partner.resend_at = partner.resend_at.or(resend_at);
        partner.unacked.push_back(self.outgoing.insert(Outgoing {
            partner: to,
            request: None,
            zombie: true,
            seq,
            transmissions: 1,
            first_sent: now,
            last_sent: now,
            body,
        }));
        self.zombies += 1;
        if let Some(at) = resend_at {
            self.resend_by(at);
        }
        Ok(self.requests.insert_sent(to, eager, context))
    }

    /// Takes the next message of a partner, if it is a tiny or small one, the receive that it fits is posted, and of this
    /// partner nothing is incomplete or early. False, with nothing done, if not.
    #[inline]
    pub(crate) fn take_at_once(
        &mut self,
        key: PartnerKey,
        seq: Sequence,
        content: &Content,
        payload: Payload<'_>,
    ) -> bool {
        let (Content::Tiny(eager) | Content::Small(eager)) = content else {
            return false;
        };
        let next = |partner: &&mut Partner| {
            partner.next_match == seq
                && partner.next_fragment == seq
                && partner.partials.is_empty()
                && partner.reorder_buffer.is_empty()
        };
        let Some(partner) = self.partners.get_mut(key).filter(next) else {
            return false;
        };
        let info = eager.match_info;
        let Some(posted) = self
            .posted
            .take(info, |posted| posted.wanted.wants(info, key))
        else {
            return false;
        };
        self.requests.deliver(posted.request, key, info, payload);
        let whole = seq.next();
        partner.next_match = whole;
        partner.next_fragment = whole;
        partner.has_sent = true;
        let unacked = whole.since(partner.last_acked);
        self.ack_received(key, unacked);
        true
    }
}

/// Whether a message to it need not wait for others, nor for acknowledgements.
fn is_free(partner: &Partner) -> bool {
    partner.throttled.is_empty() && partner.next_send.since(partner.next_acked) < UNACKED_MAX
}
