//! How a message looks in the command queue, the first time and again.

use mx_ring::{Command, Destination};

use crate::engine::Engine;
use crate::link::Link;
use crate::send::Posted;
use crate::state::keys::OutgoingKey;
use crate::state::outgoing::Body;
use crate::state::transmit_space::passed;

impl Engine {
    /// Puts a message into the command queue, with the newest acknowledgement.
    pub(crate) fn transmit(&mut self, key: OutgoingKey, link: &mut impl Link) -> Posted {
        let Some(outgoing) = self.outgoing.get_mut(key) else {
            return Posted::Never;
        };
        let Some(partner) = self.partners.get_mut(outgoing.partner) else {
            return Posted::Never;
        };
        let Some(session) = partner.session else {
            return Posted::Never;
        };
        let to = Destination {
            peer: partner.peer,
            endpoint: partner.endpoint,
            session,
        };
        let seq = outgoing.seq.to_wire();
        let ack = partner.next_fragment.to_wire();
        let done = match &mut outgoing.body {
            Body::Tiny {
                match_info,
                length,
                data,
            } => link.post(
                &Command::Tiny {
                    to,
                    seq,
                    ack,
                    match_info: *match_info,
                    length: *length,
                    data: *data,
                },
                &[],
            ),
            Body::Small { match_info, data } => link.post(
                &Command::Small {
                    to,
                    seq,
                    ack,
                    match_info: *match_info,
                    length: data.len() as u8,
                },
                data,
            ),
            Body::Medium {
                match_info,
                total,
                span,
                last_command,
                ..
            } => {
                let size = self.config.medium_fragment;
                let fragments = total.div_ceil(size);
                let busy = outgoing.transmissions > 0 && !passed(link.sent(), *last_command);
                match span {
                    Some(span) if !busy && link.command_room() >= fragments => {
                        // A loss pattern that always hits the same place must not starve a fragment for ever.
                        for turn in 0..fragments {
                            let number = (turn + outgoing.transmissions) % fragments;
                            let start = number * size;
                            *last_command = link.command_index();
                            link.post(
                                &Command::Medium {
                                    to,
                                    seq,
                                    ack,
                                    match_info: *match_info,
                                    total: *total,
                                    fragment: number as u8,
                                    length: (*total - start).min(size) as u16,
                                    offset: span.offset() + start,
                                },
                                &[],
                            );
                        }
                        true
                    }
                    _ => false,
                }
            }
            Body::Large {
                match_info,
                total,
                shown,
                ..
            } => shown.as_ref().is_some_and(|shown| {
                link.post(
                    &Command::Rendezvous {
                        to,
                        seq,
                        ack,
                        match_info: *match_info,
                        total: *total,
                        window: shown.id,
                        window_seqnum: shown.seqnum,
                    },
                    &[],
                )
            }),
            Body::Notify {
                transferred,
                window,
                window_seqnum,
            } => link.post(
                &Command::Notify {
                    to,
                    seq,
                    ack,
                    transferred: *transferred,
                    window: *window,
                    window_seqnum: *window_seqnum,
                },
                &[],
            ),
        };
        if !done {
            return Posted::NotNow;
        }
        if outgoing.transmissions > 0 {
            let frames = outgoing.commands(self.config.medium_fragment);
            self.counts.resent.add(outgoing.body.kind(), frames);
        }
        outgoing.transmissions += 1;
        outgoing.last_sent = self.now;
        partner.last_acked = partner.next_fragment;
        partner.ack_due = None;
        Posted::Yes
    }
}
