//! Acknowledgements, both ways (protocol.md §7).

use alloc::vec::Vec;
use core::time::Duration;

use mx_records::record;
use mx_ring::{Command, CommandBody, Farewell, Origin};
use mx_wire::{LibAck, NackCode, NackLib};

use crate::code::Code;
use crate::engine::Engine;
use crate::queue_port::QueuePort;
use crate::state::keys::{OutgoingKey, PartnerKey};
use crate::state::outgoing::Body;
use crate::state::sequence::Sequence;

/// Acknowledgements that may overtake each other.
const ACKS_UNDER_WAY_MAX: u32 = 1 << 16;

impl Engine {
    /// An acknowledgement is due after `delay`, unless a message carries it before.
    #[inline]
    pub(crate) fn ack_within(&mut self, key: PartnerKey, delay: Duration) {
        let due = self.now + delay;
        let Some(partner) = self.partners.get_mut(key) else {
            return;
        };
        let due = partner.ack_due.map_or(due, |earlier| earlier.min(due));
        partner.ack_due = Some(due);
        if !partner.ack_listed {
            partner.ack_listed = true;
            self.acks.push(key);
        }
        self.ack_at = Some(self.ack_at.map_or(due, |earlier| earlier.min(due)));
    }

    /// An acknowledgement is due at the end of this round.
    #[inline]
    pub(crate) fn ack_at_once(&mut self, key: PartnerKey) {
        self.ack_within(key, Duration::ZERO);
    }

    /// So many messages have been received whole and not been acknowledged.
    #[inline]
    pub(crate) fn ack_received(&mut self, key: PartnerKey, count: u16) {
        if count >= self.config.not_acked_max {
            self.ack_at_once(key);
        } else {
            self.ack_within(key, self.config.ack_delay);
        }
    }

    /// Sends the acknowledgements that are due.
    pub(crate) fn send_due_acks(&mut self, port: &mut impl QueuePort) {
        if self.ack_at.is_none_or(|at| at > self.now) {
            return;
        }
        self.ack_at = None;
        let mut listed = core::mem::take(&mut self.acks);
        listed.retain(|key| {
            if let Some(due) = self.partners.get(*key).and_then(|partner| partner.ack_due)
                && (due > self.now || !self.send_ack(*key, port))
            {
                self.ack_at = Some(self.ack_at.map_or(due, |earlier| earlier.min(due)));
                return true;
            }
            if let Some(partner) = self.partners.get_mut(*key) {
                partner.ack_listed = false;
            }
            false
        });
        self.acks.append(&mut listed);
    }

    /// Sends what waits for this moment alone, before the endpoint closes; what is to be posted after it are the words that
    /// it leaves with its board: a partner that does not hear the last acknowledgement is answered by the board. None is left
    /// for a partner whose large message is not fetched yet, nor will be: it asks by a repeat whether anybody is there
    /// (`liveness`), and has to be refused.
    pub fn take_leave(&mut self, port: &mut impl QueuePort) -> Vec<Command> {
        self.send_delayed(port);
        self.flush_acks(port);
        let mut words = Vec::new();
        for key in self.partners.keys() {
            if let Some(partner) = self.partners.get(key).filter(|partner| partner.has_sent)
                && !self.has_unfetched_of(key)
                && let Some(to) = partner.destination()
            {
                let farewell = Farewell {
                    ack: LibAck {
                        ack: partner.next_fragment.to_wire(),
                        ack_number: partner.ack_number_sent,
                    },
                    notice: None,
                };
                let pulled = partner
                    .unacked
                    .iter()
                    .filter_map(|at| self.outgoing.get(*at)?.notice());
                let before = words.len();
                let leave = |notice| Command {
                    to,
                    body: CommandBody::Leave(Farewell { notice, ..farewell }),
                };
                words.extend(pulled.map(|notice| leave(Some(notice))));
                if words.len() == before {
                    words.push(leave(None));
                }
            }
        }
        words
    }

    /// Sends every acknowledgement that waits.
    fn flush_acks(&mut self, port: &mut impl QueuePort) {
        for key in core::mem::take(&mut self.acks) {
            if self
                .partners
                .get(key)
                .is_some_and(|partner| partner.ack_due.is_some())
            {
                self.send_ack(key, port);
            }
        }
    }

    /// Sends an explicit acknowledgement. False when the queue is full.
    fn send_ack(&mut self, key: PartnerKey, port: &mut impl QueuePort) -> bool {
        let Some(partner) = self.partners.get_mut(key) else {
            return true;
        };
        let Some(to) = partner.destination() else {
            partner.ack_due = None;
            return true;
        };
        let number = partner.ack_number_sent.wrapping_add(1);
        let posted = port.post(
            &Command {
                to,
                body: CommandBody::Ack(LibAck {
                    ack: partner.next_fragment.to_wire(),
                    ack_number: number,
                }),
            },
            &[],
        );
        if posted {
            partner.ack_number_sent = number;
            partner.last_acked = partner.next_fragment;
            partner.ack_due = None;
            record!(
                trace,
                "sent: TRUC {to}, ack {}",
                partner.last_acked.to_wire()
            );
        }
        posted
    }

    /// An explicit acknowledgement came.
    pub(crate) fn explicit_ack(&mut self, from: Origin, said: &LibAck, port: &mut impl QueuePort) {
        let (ack, number) = (Sequence::from_wire(said.ack), said.ack_number);
        let Some(key) = self.partners.find(from.peer, from.endpoint) else {
            return;
        };
        let Some(partner) = self.partners.get_mut(key) else {
            return;
        };
        // How far it is behind the newest one; a number that is far off says nothing but where to count on from.
        let behind = partner.ack_number_received.wrapping_sub(number);
        if !ack.same_relation(partner.next_send) || behind < ACKS_UNDER_WAY_MAX {
            return;
        }
        partner.ack_number_received = number;
        partner.liveness.heard(self.now);
        self.acknowledged(key, ack, port);
    }

    /// A partner has received everything before `ack`.
    pub(crate) fn acknowledged(
        &mut self,
        key: PartnerKey,
        ack: Sequence,
        port: &mut impl QueuePort,
    ) {
        let Some(partner) = self.partners.get_mut(key) else {
            return;
        };
        let count = ack.since(partner.next_acked);
        if count == 0 || count > partner.next_send.since(partner.next_acked) {
            return;
        }
        partner.next_acked = ack;
        partner.confirmed = ack;
        partner.answered = self.now;
        partner.resent = false;
        // When the newest of them was last sent, and the oldest if that was not the first time.
        let (mut newest, mut oldest_again) = (None, None);
        let mut once = true;
        for _ in 0..count {
            let Some(partner) = self.partners.get_mut(key) else {
                return;
            };
            let Some(outgoing) = partner.unacked.pop_front() else {
                break;
            };
            let session = partner.session.unwrap_or_default();
            let mut is_over = false;
            if let Some(message) = self.outgoing.get(outgoing) {
                record!(
                    trace,
                    "acknowledged: {}, session {session:08x}, seq {}, sent {} times",
                    message.body.name(),
                    message.seq.to_wire(),
                    message.transmissions
                );
                if newest.is_none() && message.transmissions > 1 {
                    oldest_again = Some(message.last_sent);
                }
                newest = Some(message.last_sent);
                once &= message.transmissions == 1;
                is_over = message.is_over_when_acked();
            }
            if is_over {
                self.outgoing.remove(outgoing);
                self.zombies -= 1;
            } else {
                self.message_acked(outgoing, port);
            }
        }
        if let Some(partner) = self.partners.get_mut(key) {
            let (now, config) = (self.now, &self.config);
            if let Some(sent) = newest.filter(|_| once) {
                partner
                    .round_trip
                    .measured(now.saturating_sub(sent), config);
            } else if let Some(sent) = oldest_again {
                let time = now.saturating_sub(sent);
                partner.round_trip.answered_again(time, config);
            }
        }
        self.drop_refused(key);
        self.time_oldest(key);
    }

    /// Messages that were refused will not be acknowledged: those before all others do not count as unacknowledged.
    #[inline]
    fn drop_refused(&mut self, key: PartnerKey) {
        let Some(partner) = self.partners.get_mut(key) else {
            return;
        };
        while let Some(front) = partner.unacked.front()
            && !self.outgoing.contains_key(*front)
        {
            partner.unacked.pop_front();
            partner.next_acked = partner.next_acked.next();
        }
    }

    fn message_acked(&mut self, key: OutgoingKey, port: &mut impl QueuePort) {
        let Some(outgoing) = self.outgoing.get_mut(key) else {
            return;
        };
        if let Body::Large {
            acked,
            notified: None,
            ..
        } = &mut outgoing.body
        {
            *acked = true;
            let partner = outgoing.partner;
            self.check_liveness_later(partner);
        } else {
            self.end_outgoing(key, Code::Success, port);
        }
    }

    /// A board refused a message or a connect of ours.
    pub(crate) fn nack(&mut self, from: Origin, nack: &NackLib, port: &mut impl QueuePort) {
        // Only a pull is refused for its window.
        if nack.code == NackCode::BadWindow {
            return;
        }
        let (code, seq) = (Code::from(nack.code), Sequence::from_wire(nack.seq));
        let Some(key) = self.partners.find(from.peer, from.endpoint) else {
            return;
        };
        let Some(partner) = self.partners.get_mut(key) else {
            return;
        };
        record!(
            info,
            "refused by the board {from}: session {:08x}, seq {}, {}",
            partner.session.unwrap_or_default(),
            nack.seq,
            nack.code
        );
        // A connect has the number 0. So has a message now and then, but not one that waits together with a connect.
        if seq.to_wire() == 0 && !partner.connects.is_empty() {
            let oldest = partner.connects.remove(0);
            if let Some(request) = self.requests.get_mut(oldest.request) {
                request.outcome.partner = Some(key);
            }
            self.requests.complete(oldest.request, code);
            return;
        }
        if seq == partner.confirmed.previous() && partner.liveness.is_open() {
            self.liveness_refused(key, code, port);
            return;
        }
        let at = usize::from(seq.since(partner.next_acked));
        // What was meant for the session before is not told apart from this one's but by the time.
        let refused = partner.unacked.get(at).copied().filter(|_| {
            seq.same_relation(partner.next_send) && self.now >= partner.refusals_count_from
        });
        if let Some(outgoing) = refused {
            self.end_outgoing(outgoing, code, port);
            self.drop_refused(key);
            self.time_oldest(key);
        }
    }
}
