//! How a message looks in the command queue, the first time and again.

use mx_records::record;
use mx_ring::{Command, CommandBody, Place};
use mx_wire::{Content, Medium, Message, Rendezvous};

use crate::engine::Engine;
use crate::queue_port::QueuePort;
use crate::send::Posted;
use crate::state::keys::OutgoingKey;
use crate::state::outgoing::Body;
use crate::state::transmit_space::passed;

impl Engine {
    /// Puts a message into the command queue, with the newest acknowledgement.
    pub(crate) fn transmit(&mut self, key: OutgoingKey, port: &mut impl QueuePort) -> Posted {
        let Some(outgoing) = self.outgoing.get_mut(key) else {
            return Posted::Never;
        };
        let Some(partner) = self.partners.get_mut(outgoing.partner) else {
            return Posted::Never;
        };
        let Some(to) = partner.destination() else {
            return Posted::Never;
        };
        let seq = outgoing.seq.to_wire();
        let ack = partner.next_fragment.to_wire();
        let post = |content, place, data: &[u8], port: &mut _| {
            let message = Message { seq, ack, content };
            let body = CommandBody::Message(message, place);
            QueuePort::post(port, &Command { to, body }, data)
        };
        let done = match &mut outgoing.body {
            Body::Tiny { eager, data } => {
                post(Content::Tiny(*eager), Place::Inline(*data), &[], port)
            }
            Body::Small { eager, data } => post(Content::Small(*eager), Place::Apart, data, port),
            Body::Medium {
                match_info,
                total,
                span,
                commands_end,
                ..
            } => {
                let size = self.config.medium_fragment;
                let fragments = total.div_ceil(size);
                let busy = outgoing.transmissions > 0 && !passed(port.sent(), *commands_end);
                match span {
                    Some(span) if !busy && port.command_room() >= fragments => {
                        // A loss pattern that always hits the same place must not starve a fragment for ever.
                        for turn in 0..fragments {
                            let number = (turn + outgoing.transmissions) % fragments;
                            let start = number * size;
                            let fragment = Medium {
                                match_info: *match_info,
                                total: *total,
                                length: (*total - start).min(size) as u16,
                                fragment: number as u8,
                            };
                            let place = Place::At(span.offset() + start);
                            post(Content::Medium(fragment), place, &[], port);
                        }
                        *commands_end = port.command_index();
                        true
                    }
                    _ => false,
                }
            }
            Body::Large {
                match_info,
                total,
                exported,
                ..
            } => exported.as_ref().is_some_and(|exported| {
                let offer = Rendezvous {
                    match_info: *match_info,
                    total: *total,
                    window: exported.id,
                    window_seqnum: exported.seqnum,
                    window_offset: 0,
                };
                post(Content::Rendezvous(offer), Place::Apart, &[], port)
            }),
            Body::Bare(content) => post(*content, Place::Apart, &[], port),
        };
        if !done {
            return Posted::NotNow;
        }
        if outgoing.transmissions > 0 {
            let frames = outgoing.commands(self.config.medium_fragment);
            self.counts.resent.add(outgoing.body.kind(), frames);
            record!(
                debug,
                "sent again, {:?} after the last of {} times: {} {to}, seq {seq}",
                self.now.saturating_sub(outgoing.last_sent),
                outgoing.transmissions,
                outgoing.body.name()
            );
        } else {
            record!(trace, "sent: {} {to}, seq {seq}", outgoing.body.name());
        }
        outgoing.transmissions += 1;
        outgoing.last_sent = self.now;
        partner.last_acked = partner.next_fragment;
        partner.ack_due = None;
        Posted::Yes
    }
}
