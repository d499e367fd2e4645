//! Events as entries.

use zerocopy::little_endian::U32;
use zerocopy::{FromZeros, transmute};

use super::{ACK, Descriptor, DescriptorError, FLAG_LOCAL, NACK, PULL_DONE, WANTED, fields};
use crate::message::{Event, EventBody, Origin, PullDone, PullStatus, Wanted};

fields! {
    /// WANTED.
    Want, 30: {
        window: u8,
        window_seqnum: u8,
    }
}

fields! {
    /// NACK, and PULL_DONE with its cookie.
    Outcome, 24: {
        status: u8,
        pad1: [u8; 3],
        cookie: U32,
    }
}

impl Descriptor {
    /// An event as it goes into a queue.
    #[inline]
    pub fn from_event(event: &Event) -> Self {
        let mut e = Self::from(event.from);
        match &event.body {
            EventBody::Message(message, place) => e.put_message(message, place),
            EventBody::Connect { session, connect } => e.put_connect(connect, Some(*session)),
            EventBody::Ack(ack) => e.put_ack(ack),
            EventBody::Nack(nack) => {
                e.kind = NACK;
                e.seq = nack.seq.into();
                e.payload = transmute!(Outcome {
                    status: nack.code as u8,
                    ..Outcome::new_zeroed()
                });
            }
            EventBody::Wanted(wanted) => {
                e.kind = WANTED;
                e.total = wanted.offset.into();
                e.payload = transmute!(Want {
                    window: wanted.window,
                    window_seqnum: wanted.window_seqnum,
                    ..Want::new_zeroed()
                });
            }
            EventBody::PullDone(done) => {
                e.kind = PULL_DONE;
                e.total = done.transferred.into();
                e.payload = transmute!(Outcome {
                    status: done.status.to_byte(),
                    cookie: done.cookie.into(),
                    ..Outcome::new_zeroed()
                });
            }
        }
        e
    }

    /// The event that this entry alleges to be.
    #[inline]
    pub fn event(&self) -> Result<Event, DescriptorError> {
        let from = Origin {
            peer: self.peer.get(),
            endpoint: self.endpoint,
            local: self.flags & FLAG_LOCAL != 0,
        };
        let body = match self.message(self.kind)? {
            Some((message, place)) => EventBody::Message(message, place),
            None => self.news()?,
        };
        Ok(Event { from, body })
    }

    /// Whatever is no message.
    fn news(&self) -> Result<EventBody, DescriptorError> {
        if let Some((connect, session)) = self.connect(self.kind) {
            return Ok(EventBody::Connect { session, connect });
        }
        Ok(match self.kind {
            ACK => EventBody::Ack(self.lib_ack()),
            NACK => {
                let outcome: Outcome = transmute!(self.payload);
                EventBody::nack(outcome.status, self.seq.get())
            }
            WANTED => {
                let want: Want = transmute!(self.payload);
                EventBody::Wanted(Wanted {
                    window: want.window,
                    window_seqnum: want.window_seqnum,
                    offset: self.total.get(),
                })
            }
            PULL_DONE => {
                let outcome: Outcome = transmute!(self.payload);
                EventBody::PullDone(PullDone {
                    cookie: outcome.cookie.get(),
                    status: PullStatus::from_byte(outcome.status),
                    transferred: self.total.get(),
                })
            }
            kind => return Err(DescriptorError::UnknownKind(kind)),
        })
    }
}
