//! The end of a relation with a partner (protocol.md §9). Nothing is sent to it.

use alloc::vec::Vec;

use mx_records::record;

use crate::code::Code;
use crate::engine::Engine;
use crate::queue_port::QueuePort;
use crate::state::keys::{OutgoingKey, PartnerKey};
use crate::state::liveness::Liveness;
use crate::state::reassembly::Target;

const SCRAMBLE_GIVE_UP: u16 = 0x30f0;
const SCRAMBLE_DISCONNECT: u16 = 0x0f0f;

impl Engine {
    /// The partner does not answer any more.
    pub(crate) fn give_up(&mut self, key: PartnerKey, port: &mut impl QueuePort) {
        record!(
            warn,
            "given up: {} does not answer, session {:08x}, from seq {} on",
            self.partners.named(key),
            self.partners.session(key),
            self.partners
                .get(key)
                .map_or(0, |partner| partner.next_acked.to_wire())
        );
        self.break_off(key, SCRAMBLE_GIVE_UP, port);
    }

    /// The application wants no more of this partner. Its address can be used again after another connect.
    pub fn disconnect(&mut self, key: PartnerKey, port: &mut impl QueuePort) {
        if key == self.loopback {
            return;
        }
        self.break_off(key, SCRAMBLE_DISCONNECT, port);
        if let Some(partner) = self.partners.get_mut(key) {
            partner.context = 0;
        }
    }

    /// The peer of this index is another machine from now on (protocol.md §11): nothing is known of its endpoints, and what
    /// there was with the old one's is over.
    pub fn peer_is_another(&mut self, peer: u16, port: &mut impl QueuePort) {
        for key in self.partners.unlist(peer) {
            self.disconnect(key, port);
        }
    }

    fn break_off(&mut self, key: PartnerKey, scramble: u16, port: &mut impl QueuePort) {
        self.end_relation(key, port);
        if let Some(partner) = self.partners.get_mut(key) {
            partner.restart_receiving(partner.next_match.next_relation(scramble));
            for connect in core::mem::take(&mut partner.connects) {
                self.requests
                    .complete(connect.request, Code::RemoteEndpointUnreachable);
            }
        }
    }

    /// Ends everything that is under way with a partner but the connects, which whoever is there now will answer. What
    /// it may send next is unchanged: that number was announced to it.
    pub(crate) fn end_relation(&mut self, key: PartnerKey, port: &mut impl QueuePort) {
        let code = Code::RemoteEndpointUnreachable;
        let Some(partner) = self.partners.get_mut(key) else {
            return;
        };
        partner.session = None;
        partner.relation = partner.relation.wrapping_add(1);
        partner.ack_number_sent = 0;
        partner.ack_number_received = 0;
        partner.ack_due = None;
        partner.liveness = Liveness::default();
        partner.unacked.clear();
        partner.throttled.clear();
        partner.restart_sending(partner.next_send);
        partner.restart_receiving(partner.next_match);
        self.reorder_bytes -= partner.reorder_buffer.clear();
        let partials = core::mem::take(&mut partner.partials);
        for partial in partials {
            if let Target::Receive(request) = partial.target {
                if let Some(request) = self.requests.get_mut(request) {
                    request.outcome.transferred = 0;
                }
                self.requests.complete(request, code);
            }
        }
        self.unexpected.forget(key);
        let requests = &mut self.requests;
        self.posted.retain(|posted| {
            let of_others = posted.wanted.from != Some(key);
            if !of_others {
                requests.complete(posted.request, code);
            }
            of_others
        });
        let messages: Vec<OutgoingKey> = self
            .outgoing
            .iter()
            .filter(|(_, outgoing)| outgoing.partner == key)
            .map(|(key, _)| key)
            .collect();
        self.delayed.retain(|key| !messages.contains(key));
        for message in messages {
            self.end_outgoing(message, code, port);
        }
        self.abort_pulls(key, port);
    }
}
