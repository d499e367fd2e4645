//! Commands as entries.

use super::{
    ABORT_PULL, ACK, BODY, CONNECT_REPLY, CONNECT_REQUEST, Entry, EntryError, LEAVE, MEDIUM,
    NOTIFY, PULL, RENDEZVOUS, SMALL, TINY, bounded,
};
use crate::message::{Command, Destination, Farewell, Pulled, RegionKey};

impl Entry {
    /// A command as it goes into the queue.
    pub fn from_command(command: &Command) -> Self {
        match *command {
            Command::Tiny {
                to,
                seq,
                ack,
                match_info,
                length,
                data,
            } => {
                let mut e = Self::to(TINY, to).sequenced(
                    seq,
                    ack,
                    match_info,
                    length.into(),
                    length.into(),
                );
                e.put(BODY, &data);
                e
            }
            Command::Small {
                to,
                seq,
                ack,
                match_info,
                length,
            } => Self::to(SMALL, to).sequenced(seq, ack, match_info, length.into(), length.into()),
            Command::Medium {
                to,
                seq,
                ack,
                match_info,
                total,
                fragment,
                length,
                offset,
            } => {
                let mut e = Self::to(MEDIUM, to).sequenced(seq, ack, match_info, length, total);
                e.bytes[14] = fragment;
                e.put32(BODY, offset);
                e
            }
            Command::Rendezvous {
                to,
                seq,
                ack,
                match_info,
                total,
                window,
                window_seqnum,
            } => {
                let mut e = Self::to(RENDEZVOUS, to).sequenced(seq, ack, match_info, 0, total);
                e.put(BODY, &[window, window_seqnum]);
                e
            }
            Command::Notify {
                to,
                seq,
                ack,
                transferred,
                window,
                window_seqnum,
            } => {
                let mut e = Self::to(NOTIFY, to).sequenced(seq, ack, 0, 0, transferred);
                e.put(BODY, &[window, window_seqnum]);
                e
            }
            Command::ConnectRequest {
                peer,
                endpoint,
                key,
                next_expected,
                connect_seqnum,
            } => {
                let mut e = Self::start(CONNECT_REQUEST, peer, endpoint, 0).sequenced(
                    next_expected,
                    0,
                    0,
                    0,
                    key,
                );
                e.bytes[BODY] = connect_seqnum;
                e
            }
            Command::ConnectReply {
                peer,
                endpoint,
                requester_session,
                next_expected,
                connect_seqnum,
                status,
            } => {
                let mut e = Self::start(CONNECT_REPLY, peer, endpoint, requester_session)
                    .sequenced(next_expected, 0, 0, 0, 0);
                e.put(BODY, &[connect_seqnum, status]);
                e
            }
            Command::Ack {
                to,
                ack,
                ack_number,
            } => Self::to(ACK, to).sequenced(0, ack, 0, 0, ack_number),
            Command::Pull {
                to,
                region,
                offset,
                length,
                window,
                window_seqnum,
                window_offset,
                cookie,
            } => {
                let mut e = Self::to(PULL, to).sequenced(0, 0, 0, 0, length);
                e.put(BODY, &[window, window_seqnum]);
                e.put32(BODY + 4, cookie);
                e.put16(BODY + 8, region.slot);
                e.put16(BODY + 10, region.generation);
                e.put32(BODY + 12, offset);
                e.put32(BODY + 16, window_offset);
                e
            }
            Command::AbortPull { cookie } => {
                let mut e = Self::start(ABORT_PULL, 0, 0, 0);
                e.put32(BODY + 4, cookie);
                e
            }
            Command::Leave { to, farewell } => {
                let Farewell {
                    ack,
                    ack_number,
                    notice,
                } = farewell;
                let told = notice.unwrap_or(Pulled {
                    seq: 0,
                    transferred: 0,
                    window: 0,
                    window_seqnum: 0,
                });
                let mut e = Self::to(LEAVE, to).sequenced(told.seq, ack, 0, 0, told.transferred);
                let has_notice = notice.is_some().into();
                e.put(BODY, &[told.window, told.window_seqnum, has_notice]);
                e.put32(BODY + 4, ack_number);
                e
            }
        }
    }

    /// The command that this entry alleges to be.
    pub fn command(&self) -> Result<Command, EntryError> {
        let to = Destination {
            peer: self.get16(2),
            endpoint: self.bytes[1],
            session: self.get32(4),
        };
        let (seq, ack) = (self.get16(8), self.get16(10));
        let match_info = self.match_info();
        let (length, total) = (self.get16(12), self.get32(24));
        let (window, window_seqnum) = (self.bytes[BODY], self.bytes[BODY + 1]);
        Ok(match self.bytes[0] {
            TINY => Command::Tiny {
                to,
                seq,
                ack,
                match_info,
                length: bounded(length, 32)?,
                data: self.get(BODY),
            },
            SMALL => Command::Small {
                to,
                seq,
                ack,
                match_info,
                length: bounded(length, 128)?,
            },
            MEDIUM => Command::Medium {
                to,
                seq,
                ack,
                match_info,
                total,
                fragment: self.bytes[14],
                length,
                offset: self.get32(BODY),
            },
            RENDEZVOUS => Command::Rendezvous {
                to,
                seq,
                ack,
                match_info,
                total,
                window,
                window_seqnum,
            },
            NOTIFY => Command::Notify {
                to,
                seq,
                ack,
                transferred: total,
                window,
                window_seqnum,
            },
            CONNECT_REQUEST => Command::ConnectRequest {
                peer: to.peer,
                endpoint: to.endpoint,
                key: total,
                next_expected: seq,
                connect_seqnum: window,
            },
            CONNECT_REPLY => Command::ConnectReply {
                peer: to.peer,
                endpoint: to.endpoint,
                requester_session: to.session,
                next_expected: seq,
                connect_seqnum: window,
                status: window_seqnum,
            },
            ACK => Command::Ack {
                to,
                ack,
                ack_number: total,
            },
            PULL => Command::Pull {
                to,
                region: RegionKey {
                    slot: self.get16(BODY + 8),
                    generation: self.get16(BODY + 10),
                },
                offset: self.get32(BODY + 12),
                length: total,
                window,
                window_seqnum,
                window_offset: self.get32(BODY + 16),
                cookie: self.get32(BODY + 4),
            },
            ABORT_PULL => Command::AbortPull {
                cookie: self.get32(BODY + 4),
            },
            LEAVE => Command::Leave {
                to,
                farewell: Farewell {
                    ack,
                    ack_number: self.get32(BODY + 4),
                    notice: (self.bytes[BODY + 2] != 0).then_some(Pulled {
                        seq,
                        transferred: total,
                        window,
                        window_seqnum,
                    }),
                },
            },
            kind => return Err(EntryError::UnknownKind(kind)),
        })
    }
}
