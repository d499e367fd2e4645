//! Events as entries.

use super::{
    ACK, BODY, CONNECT_REPLY, CONNECT_REQUEST, Entry, EntryError, FLAG_LOCAL, MEDIUM, NACK, NOTIFY,
    PULL_DONE, RENDEZVOUS, SMALL, TINY, WANTED, bounded,
};
use crate::message::{Event, Origin};

impl Entry {
    /// An event as it goes into a queue.
    pub fn from_event(event: &Event) -> Self {
        match *event {
            Event::Tiny {
                from,
                seq,
                ack,
                match_info,
                length,
                data,
            } => {
                let mut e = Self::from(TINY, from, 0).sequenced(
                    seq,
                    ack,
                    match_info,
                    length.into(),
                    length.into(),
                );
                e.put(BODY, &data);
                e
            }
            Event::Small {
                from,
                seq,
                ack,
                match_info,
                length,
                position,
            } => {
                let mut e = Self::from(SMALL, from, 0).sequenced(
                    seq,
                    ack,
                    match_info,
                    length.into(),
                    length.into(),
                );
                e.put32(BODY, position);
                e
            }
            Event::Medium {
                from,
                seq,
                ack,
                match_info,
                total,
                fragment,
                length,
                position,
            } => {
                let mut e =
                    Self::from(MEDIUM, from, 0).sequenced(seq, ack, match_info, length, total);
                e.bytes[14] = fragment;
                e.put32(BODY, position);
                e
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
                let mut e =
                    Self::from(RENDEZVOUS, from, 0).sequenced(seq, ack, match_info, 0, total);
                e.put(BODY, &[window, window_seqnum]);
                e.put16(BODY + 2, window_offset);
                e
            }
            Event::Notify {
                from,
                seq,
                ack,
                transferred,
                window,
                window_seqnum,
            } => {
                let mut e = Self::from(NOTIFY, from, 0).sequenced(seq, ack, 0, 0, transferred);
                e.put(BODY, &[window, window_seqnum]);
                e
            }
            Event::ConnectRequest {
                from,
                session,
                key,
                next_expected,
                connect_seqnum,
            } => {
                let mut e = Self::from(CONNECT_REQUEST, from, session).sequenced(
                    next_expected,
                    0,
                    0,
                    0,
                    key,
                );
                e.bytes[BODY] = connect_seqnum;
                e
            }
            Event::ConnectReply {
                from,
                requester_session,
                session,
                next_expected,
                connect_seqnum,
                status,
            } => {
                let mut e = Self::from(CONNECT_REPLY, from, requester_session).sequenced(
                    next_expected,
                    0,
                    0,
                    0,
                    session,
                );
                e.put(BODY, &[connect_seqnum, status]);
                e
            }
            Event::Ack {
                from,
                ack,
                ack_number,
            } => Self::from(ACK, from, 0).sequenced(0, ack, 0, 0, ack_number),
            Event::Nack { from, seq, code } => {
                let mut e = Self::from(NACK, from, 0).sequenced(seq, 0, 0, 0, 0);
                e.bytes[BODY] = code;
                e
            }
            Event::Wanted {
                window,
                window_seqnum,
                offset,
            } => {
                let mut e = Self::start(WANTED, 0, 0, 0).sequenced(0, 0, 0, 0, offset);
                e.put(BODY, &[window, window_seqnum]);
                e
            }
            Event::PullDone {
                cookie,
                status,
                transferred,
            } => {
                let mut e = Self::start(PULL_DONE, 0, 0, 0).sequenced(0, 0, 0, 0, transferred);
                e.bytes[BODY] = status;
                e.put32(BODY + 4, cookie);
                e
            }
        }
    }

    /// The event that this entry alleges to be.
    pub fn event(&self) -> Result<Event, EntryError> {
        let from = Origin {
            peer: self.get16(2),
            endpoint: self.bytes[1],
            local: self.bytes[15] & FLAG_LOCAL != 0,
        };
        let session = self.get32(4);
        let (seq, ack) = (self.get16(8), self.get16(10));
        let match_info = self.match_info();
        let (length, total) = (self.get16(12), self.get32(24));
        let (window, window_seqnum) = (self.bytes[BODY], self.bytes[BODY + 1]);
        Ok(match self.bytes[0] {
            TINY => Event::Tiny {
                from,
                seq,
                ack,
                match_info,
                length: bounded(length, 32)?,
                data: self.get(BODY),
            },
            SMALL => Event::Small {
                from,
                seq,
                ack,
                match_info,
                length: bounded(length, 128)?,
                position: self.get32(BODY),
            },
            MEDIUM => Event::Medium {
                from,
                seq,
                ack,
                match_info,
                total,
                fragment: self.bytes[14],
                length,
                position: self.get32(BODY),
            },
            RENDEZVOUS => Event::Rendezvous {
                from,
                seq,
                ack,
                match_info,
                total,
                window,
                window_seqnum,
                window_offset: self.get16(BODY + 2),
            },
            NOTIFY => Event::Notify {
                from,
                seq,
                ack,
                transferred: total,
                window,
                window_seqnum,
            },
            CONNECT_REQUEST => Event::ConnectRequest {
                from,
                session,
                key: total,
                next_expected: seq,
                connect_seqnum: window,
            },
            CONNECT_REPLY => Event::ConnectReply {
                from,
                requester_session: session,
                session: total,
                next_expected: seq,
                connect_seqnum: window,
                status: window_seqnum,
            },
            ACK => Event::Ack {
                from,
                ack,
                ack_number: total,
            },
            NACK => Event::Nack {
                from,
                seq,
                code: window,
            },
            WANTED => Event::Wanted {
                window,
                window_seqnum,
                offset: total,
            },
            PULL_DONE => Event::PullDone {
                cookie: self.get32(BODY + 4),
                status: window,
                transferred: total,
            },
            kind => return Err(EntryError::UnknownKind(kind)),
        })
    }
}
