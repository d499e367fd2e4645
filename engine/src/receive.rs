//! The order of what comes from a partner (protocol.md §5).

use mx_records::record;
use mx_ring::Origin;
use mx_wire::{Content, Message};

use crate::engine::Engine;
use crate::memory::Payload;
use crate::queue_port::QueuePort;
use crate::state::keys::PartnerKey;
use crate::state::reorder_buffer::{EarlyMessage, REORDER_REACH};
use crate::state::sequence::Sequence;

impl Engine {
    /// A sequenced event from the network.
    pub(crate) fn message(
        &mut self,
        from: Origin,
        message: &Message,
        payload: Payload<'_>,
        port: &mut impl QueuePort,
    ) {
        let Some(key) = self.partners.find(from.peer, from.endpoint) else {
            return;
        };
        let Some(partner) = self.partners.get(key) else {
            return;
        };
        let content = message.content;
        let (seq, ack) = (
            Sequence::from_wire(message.seq),
            Sequence::from_wire(message.ack),
        );
        if partner.session.is_none()
            || !seq.same_relation(partner.next_fragment)
            || !ack.same_relation(partner.next_send)
        {
            self.say("dropped, of a relation that is over", key, seq, &content);
            return;
        }
        self.acknowledged(key, ack, port);
        let Some(partner) = self.partners.get_mut(key) else {
            return;
        };
        partner.liveness.heard(self.now);
        let (distance, reach) = (
            seq.since(partner.next_fragment),
            partner.next_match.since(partner.next_fragment),
        );
        if distance <= reach {
            record!(
                trace,
                "received: {} {from}, session {:08x}, {message}",
                content.name(),
                self.config.session
            );
            if self.take_at_once(key, seq, &content, payload) {
                return;
            }
            self.in_turn(key, seq, content, payload, port);
            self.take_early(key, port);
            self.hurry_at_a_gap(key);
        } else if distance <= reach + REORDER_REACH {
            self.keep_early(key, seq, content, payload);
        } else if seq.is_before(partner.next_fragment) {
            // The partner repeats what is whole here: an acknowledgement was probably lost. It may repeat its oldest
            // messages alone, or all of them, which takes one answer.
            let newest = seq.next() == partner.next_fragment;
            self.duplicate(key, seq, &content);
            if newest {
                self.ack_at_once(key);
            } else {
                self.ack_within(key, self.config.ack_delay);
            }
        }
    }

    /// A gap that has closed before another one is acknowledged at once: the partner may know what to send next.
    #[inline]
    fn hurry_at_a_gap(&mut self, key: PartnerKey) {
        let gap = self.partners.get(key).is_some_and(|partner| {
            !partner.reorder_buffer.is_empty() && partner.next_fragment != partner.last_acked
        });
        if gap {
            self.ack_at_once(key);
        }
    }

    /// Counts a frame that brings nothing new.
    #[inline]
    pub(crate) fn duplicate(&mut self, key: PartnerKey, seq: Sequence, content: &Content) {
        self.say("dropped, a duplicate", key, seq, content);
        self.counts.duplicates.add(content.kind(), 1);
    }

    /// A record of a message that came from a partner.
    #[inline]
    pub(crate) fn say(&self, what: &str, key: PartnerKey, seq: Sequence, content: &Content) {
        record!(
            debug,
            "{what}: {} from {}, session {:08x}, seq {}",
            content.name(),
            self.partners.named(key),
            self.config.session,
            seq.to_wire()
        );
    }

    /// A message that is not early: the next one, a part of an incomplete one, or a duplicate.
    fn in_turn(
        &mut self,
        key: PartnerKey,
        seq: Sequence,
        content: Content,
        payload: Payload<'_>,
        port: &mut impl QueuePort,
    ) {
        let Some(partner) = self.partners.get(key) else {
            return;
        };
        if seq == partner.next_match {
            let taken = match &content {
                Content::Tiny(m) | Content::Small(m) => self.eager(key, m.match_info, payload),
                Content::Medium(m) => self.first_fragment(key, seq, m, payload),
                large => self.large(key, large, port),
            };
            if !taken {
                return;
            }
            if let Some(partner) = self.partners.get_mut(key) {
                partner.next_match = partner.next_match.next();
            }
        } else if let Content::Medium(m) = &content {
            self.later_fragment(key, seq, m, payload);
        } else {
            self.duplicate(key, seq, &content);
        }
        self.advance(key);
        if self.config.mx_wire
            && content.is_answer()
            && self
                .partners
                .get(key)
                .is_some_and(|partner| partner.partials.is_empty())
        {
            self.ack_at_once(key);
        }
    }

    /// Moves the number up to which all is whole, which is what gets acknowledged.
    #[inline]
    fn advance(&mut self, key: PartnerKey) {
        let Some(partner) = self.partners.get_mut(key) else {
            return;
        };
        let whole = partner
            .partials
            .front()
            .map_or(partner.next_match, |oldest| oldest.seq);
        if whole == partner.next_fragment {
            return;
        }
        partner.next_fragment = whole;
        partner.has_sent = true;
        let count = whole.since(partner.last_acked);
        self.ack_received(key, count);
    }

    /// Keeps a message until its turn comes. Without room for it, it is as if it had been lost.
    fn keep_early(
        &mut self,
        key: PartnerKey,
        seq: Sequence,
        content: Content,
        payload: Payload<'_>,
    ) {
        // Half of the room is for messages in turn: those behind them wait for them.
        if self.reorder_bytes + payload.len() > self.config.kept_bytes_max / 2
            || self.kept_bytes() + payload.len() > self.config.kept_bytes_max
        {
            self.say("dropped, no room for what is early", key, seq, &content);
            return;
        }
        let Some(partner) = self.partners.get_mut(key) else {
            return;
        };
        let Some(place) = partner
            .reorder_buffer
            .place(partner.next_fragment, seq, &content)
        else {
            self.duplicate(key, seq, &content);
            return;
        };
        if let Some(data) = payload.to_vec() {
            self.reorder_bytes += data.len();
            partner
                .reorder_buffer
                .insert(place, EarlyMessage { seq, content, data });
            self.say("kept until what is before it comes", key, seq, &content);
        }
    }

    /// Goes on with early messages for as long as the next one is among them.
    fn take_early(&mut self, key: PartnerKey, port: &mut impl QueuePort) {
        while let Some(partner) = self.partners.get_mut(key) {
            let reach = partner.next_match.since(partner.next_fragment);
            let Some(early) = partner
                .reorder_buffer
                .take_due(partner.next_fragment, reach)
            else {
                return;
            };
            let due = early.seq.since(partner.next_fragment) <= reach;
            self.reorder_bytes -= early.data.len();
            if due {
                self.in_turn(
                    key,
                    early.seq,
                    early.content,
                    Payload::Bytes(&early.data),
                    port,
                );
            }
        }
    }

    /// Bytes of messages that are kept for later.
    #[inline]
    pub(crate) fn kept_bytes(&self) -> usize {
        self.reorder_bytes + self.unexpected.bytes()
    }
}
