//! What comes from the board, and who acts on it.

use mx_ring::{Area, Event};

use crate::engine::Engine;
use crate::link::Link;
use crate::memory::Payload;
use crate::state::content::Content;
use crate::state::sequence::Sequence;

impl Engine {
    /// Takes an event from the board. `payload` is what a small or medium message carries, still in shared memory.
    pub fn event(&mut self, event: &Event, payload: Option<Area>, link: &mut impl Link) {
        match *event {
            Event::Tiny {
                from,
                seq,
                ack,
                match_info,
                length,
                data,
            } => {
                let data = data.get(..usize::from(length)).unwrap_or(&data);
                let content = Content::Eager { match_info };
                self.message(from, seq, ack, content, Payload::Bytes(data), link);
            }
            Event::Small {
                from,
                seq,
                ack,
                match_info,
                ..
            } => {
                if let Some(area) = payload {
                    let content = Content::Eager { match_info };
                    self.message(from, seq, ack, content, Payload::Shared(area), link);
                }
            }
            Event::Medium {
                from,
                seq,
                ack,
                match_info,
                total,
                fragment,
                ..
            } => {
                if let Some(area) = payload {
                    let content = Content::Fragment {
                        match_info,
                        total,
                        number: fragment,
                    };
                    self.message(from, seq, ack, content, Payload::Shared(area), link);
                }
            }
            Event::Rendezvous {
                from,
                seq,
                ack,
                match_info,
                total,
                window,
                window_seqnum,
                window_offset,
            } => {
                let content = Content::Rendezvous {
                    match_info,
                    total,
                    window,
                    window_seqnum,
                    window_offset,
                };
                self.message(from, seq, ack, content, Payload::Bytes(&[]), link);
            }
            Event::Notify {
                from,
                seq,
                ack,
                transferred,
                window,
                window_seqnum,
            } => {
                let content = Content::Notify {
                    transferred,
                    window,
                    window_seqnum,
                };
                self.message(from, seq, ack, content, Payload::Bytes(&[]), link);
            }
            Event::ConnectRequest {
                from,
                session,
                key,
                next_expected,
                connect_seqnum,
            } => {
                let expected = Sequence::from_wire(next_expected);
                self.connect_request(from, session, key, expected, connect_seqnum, link);
            }
            Event::ConnectReply {
                from,
                requester_session,
                session,
                next_expected,
                connect_seqnum,
                status,
            } => {
                if requester_session == self.config.session {
                    let expected = Sequence::from_wire(next_expected);
                    self.connect_reply(from, session, expected, connect_seqnum, status, link);
                }
            }
            Event::Ack {
                from,
                ack,
                ack_number,
            } => self.explicit_ack(from, Sequence::from_wire(ack), ack_number, link),
            Event::Nack { from, seq, code } => {
                self.nack(from, Sequence::from_wire(seq), code, link);
            }
            Event::PullDone {
                cookie,
                status,
                transferred,
            } => self.pull_done(cookie, status, transferred, link),
            Event::Wanted {
                window,
                window_seqnum,
                offset,
            } => self.wanted(window, window_seqnum, offset),
        }
    }
}
