//! How a command or an event lies in memory: 64 bytes, one cache line, little-endian.
//!
//! ```text
//!  0  kind     1  endpoint   2  peer (16)       4  session or value (32)
//!  8  seq (16)              10  ack (16)       12  length (16)  14  fragment  15  flags
//! 16  match info (64)       24  total (32)     28  payload, or fields of the kind (32 bytes)
//! 60  lap (32)
//! ```
//! The lap word is written last: it is the turn of the ring to which the entry belongs, so that a reader sees
//! a new entry and its payload by touching one line.

use crate::message::{Command, Destination, Event, Origin, RegionKey};

/// An entry in private memory. It has no meaning before [`Entry::command`] or [`Entry::event`] has checked it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, align(64))]
pub struct Entry {
    pub(crate) bytes: [u8; Self::SIZE],
}

/// What is wrong with an entry that the other side wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryError {
    /// No such kind in this queue.
    UnknownKind(u8),
    /// A length is larger than its place.
    LengthOutOfRange(u32),
}

impl core::fmt::Display for EntryError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::UnknownKind(kind) => write!(f, "an entry of unknown kind {kind:#04x}"),
            Self::LengthOutOfRange(length) => {
                write!(
                    f,
                    "an entry whose length of {length} bytes does not fit its place"
                )
            }
        }
    }
}

impl core::error::Error for EntryError {}

const CONNECT_REQUEST: u8 = 0x11;
const CONNECT_REPLY: u8 = 0x12;
const TINY: u8 = 0x13;
const SMALL: u8 = 0x14;
const MEDIUM: u8 = 0x15;
const RENDEZVOUS: u8 = 0x16;
const NOTIFY: u8 = 0x17;
const ACK: u8 = 0x18;
const NACK: u8 = 0x19;
const PULL: u8 = 0x20;
const PULL_DONE: u8 = 0x21;
const ABORT_PULL: u8 = 0x22;

const FLAG_LOCAL: u8 = 1;
const BODY: usize = 28;

impl Entry {
    /// Bytes of an entry.
    pub const SIZE: usize = 64;
    /// Where the lap word lies.
    pub(crate) const LAP: usize = 60;

    /// An entry of zeros, for the caller to fill.
    pub const fn zeroed() -> Self {
        Self {
            bytes: [0; Self::SIZE],
        }
    }

    fn put(&mut self, at: usize, value: &[u8]) {
        self.bytes[at..at + value.len()].copy_from_slice(value);
    }
    fn put16(&mut self, at: usize, value: u16) {
        self.put(at, &value.to_le_bytes());
    }
    fn put32(&mut self, at: usize, value: u32) {
        self.put(at, &value.to_le_bytes());
    }
    fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut value = [0; N];
        value.copy_from_slice(&self.bytes[at..at + N]);
        value
    }
    fn get16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.get(at))
    }
    fn get32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.get(at))
    }
    fn match_info(&self) -> u64 {
        u64::from_le_bytes(self.get(16))
    }

    fn start(kind: u8, peer: u16, endpoint: u8, session: u32) -> Self {
        let mut entry = Self::zeroed();
        entry.bytes[0] = kind;
        entry.bytes[1] = endpoint;
        entry.put16(2, peer);
        entry.put32(4, session);
        entry
    }

    fn to(kind: u8, to: Destination) -> Self {
        Self::start(kind, to.peer, to.endpoint, to.session)
    }

    fn from(kind: u8, from: Origin, session: u32) -> Self {
        let mut entry = Self::start(kind, from.peer, from.endpoint, session);
        entry.bytes[15] = if from.local { FLAG_LOCAL } else { 0 };
        entry
    }

    fn sequenced(mut self, seq: u16, ack: u16, match_info: u64, length: u16, total: u32) -> Self {
        self.put16(8, seq);
        self.put16(10, ack);
        self.put16(12, length);
        self.put(16, &match_info.to_le_bytes());
        self.put32(24, total);
        self
    }

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
                e.put16(BODY + 2, window_offset);
                e.put32(BODY + 4, cookie);
                e.put16(BODY + 8, region.slot);
                e.put16(BODY + 10, region.generation);
                e.put32(BODY + 12, offset);
                e
            }
            Command::AbortPull { cookie } => {
                let mut e = Self::start(ABORT_PULL, 0, 0, 0);
                e.put32(BODY + 4, cookie);
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
                window_offset: self.get16(BODY + 2),
                cookie: self.get32(BODY + 4),
            },
            ABORT_PULL => Command::AbortPull {
                cookie: self.get32(BODY + 4),
            },
            kind => return Err(EntryError::UnknownKind(kind)),
        })
    }

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
            PULL_DONE => Event::PullDone {
                cookie: self.get32(BODY + 4),
                status: window,
                transferred: total,
            },
            kind => return Err(EntryError::UnknownKind(kind)),
        })
    }
}

fn bounded(length: u16, max: u8) -> Result<u8, EntryError> {
    match u8::try_from(length) {
        Ok(length) if length <= max => Ok(length),
        _ => Err(EntryError::LengthOutOfRange(length.into())),
    }
}
