//! What commands and events have in common: messages, connects, acknowledgements.

use mx_wire::{
    Connect, ConnectReply, ConnectRequest, ConnectStatus, Content, Eager, LibAck, Medium, Message,
    Notify, Rendezvous, SMALL_MAX, TINY_MAX,
};
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromZeros, transmute};

use super::{
    ACK, CONNECT_REPLY, CONNECT_REQUEST, Descriptor, DescriptorError, MEDIUM, NOTIFY, RENDEZVOUS,
    SMALL, TINY, fields,
};
use crate::message::Place;

fields! {
    /// SMALL in an event, MEDIUM.
    Elsewhere, 28: {
        at: U32,
    }
}

fields! {
    /// RENDEZVOUS, NOTIFY.
    WindowUse, 28: {
        window: u8,
        window_seqnum: u8,
        /// A pad in a command, and in NOTIFY.
        window_offset: U16,
    }
}

fields! {
    /// CONNECT_REQUEST, CONNECT_REPLY.
    Handshake, 30: {
        connect_seqnum: u8,
        /// A pad in the request.
        status: u8,
    }
}

impl Descriptor {
    /// Fills in a message.
    #[inline]
    pub(super) fn put_message(&mut self, message: &Message, place: &Place) {
        self.seq = message.seq.into();
        self.ack = message.ack.into();
        match message.content {
            Content::Tiny(m) => {
                self.put_eager(TINY, m);
                if let Place::Inline(data) = place {
                    self.payload = *data;
                }
            }
            Content::Small(m) => {
                self.put_eager(SMALL, m);
                self.put_place(place);
            }
            Content::Medium(m) => {
                self.kind = MEDIUM;
                self.match_info = m.match_info.into();
                self.length = m.length.into();
                self.fragment = m.fragment;
                self.total = m.total.into();
                self.put_place(place);
            }
            Content::Rendezvous(m) => {
                self.kind = RENDEZVOUS;
                self.match_info = m.match_info.into();
                self.total = m.total.into();
                self.put_window(m.window, m.window_seqnum, m.window_offset);
            }
            Content::Notify(m) => {
                self.kind = NOTIFY;
                self.total = m.transferred.into();
                self.put_window(m.window, m.window_seqnum, 0);
            }
        }
    }

    #[inline]
    fn put_eager(&mut self, kind: u8, m: Eager) {
        self.kind = kind;
        self.match_info = m.match_info.into();
        self.length = m.length.into();
        self.total = u32::from(m.length).into();
    }

    #[inline]
    fn put_place(&mut self, place: &Place) {
        if let Place::At(at) = *place {
            self.payload = transmute!(Elsewhere {
                at: at.into(),
                ..Elsewhere::new_zeroed()
            });
        }
    }

    #[inline]
    fn put_window(&mut self, window: u8, window_seqnum: u8, window_offset: u16) {
        self.payload = transmute!(WindowUse {
            window,
            window_seqnum,
            window_offset: window_offset.into(),
            ..WindowUse::new_zeroed()
        });
    }

    /// The message that a descriptor of that kind holds, and where a payload lies that is not in it. `None` for other kinds.
    #[inline]
    pub(super) fn message(&self, kind: u8) -> Result<Option<(Message, Place)>, DescriptorError> {
        let at = || {
            let elsewhere: Elsewhere = transmute!(self.payload);
            Place::At(elsewhere.at.get())
        };
        let (content, place) = match kind {
            TINY => (
                Content::Tiny(self.eager(TINY_MAX)?),
                Place::Inline(self.payload),
            ),
            SMALL => (Content::Small(self.eager(SMALL_MAX)?), at()),
            MEDIUM => {
                let medium = Medium {
                    match_info: self.match_info.get(),
                    total: self.total.get(),
                    length: self.length.get(),
                    fragment: self.fragment,
                };
                (Content::Medium(medium), at())
            }
            RENDEZVOUS => {
                let of: WindowUse = transmute!(self.payload);
                let rendezvous = Rendezvous {
                    match_info: self.match_info.get(),
                    total: self.total.get(),
                    window: of.window,
                    window_seqnum: of.window_seqnum,
                    window_offset: of.window_offset.get(),
                };
                (Content::Rendezvous(rendezvous), Place::Apart)
            }
            NOTIFY => {
                let of: WindowUse = transmute!(self.payload);
                let notify = Notify {
                    transferred: self.total.get(),
                    window: of.window,
                    window_seqnum: of.window_seqnum,
                };
                (Content::Notify(notify), Place::Apart)
            }
            _ => return Ok(None),
        };
        let message = Message {
            seq: self.seq.get(),
            ack: self.ack.get(),
            content,
        };
        Ok(Some((message, place)))
    }

    #[inline]
    fn eager(&self, max: usize) -> Result<Eager, DescriptorError> {
        let length = self.length.get();
        if usize::from(length) > max {
            return Err(DescriptorError::LengthOutOfRange(length.into()));
        }
        Ok(Eager {
            match_info: self.match_info.get(),
            length,
        })
    }

    /// Fills in a connect. `session` is the one of who says it, which a command leaves to the board.
    pub(super) fn put_connect(&mut self, connect: &Connect, session: Option<u32>) {
        let (connect_seqnum, status) = match connect {
            Connect::Request(c) => {
                self.kind = CONNECT_REQUEST;
                if let Some(session) = session {
                    self.session = session.into();
                }
                self.seq = c.next_expected.into();
                self.total = c.key.into();
                (c.connect_seqnum, 0)
            }
            Connect::Reply(c) => {
                self.kind = CONNECT_REPLY;
                self.session = c.requester_session.into();
                self.seq = c.next_expected.into();
                self.total = session.unwrap_or(0).into();
                (c.connect_seqnum, c.status.to_byte())
            }
        };
        self.payload = transmute!(Handshake {
            connect_seqnum,
            status,
            ..Handshake::new_zeroed()
        });
    }

    /// The connect that a descriptor of that kind holds, and the session of who says it. `None` for other kinds.
    pub(super) fn connect(&self, kind: u8) -> Option<(Connect, u32)> {
        let Handshake {
            connect_seqnum,
            status,
            ..
        } = transmute!(self.payload);
        let next_expected = self.seq.get();
        match kind {
            CONNECT_REQUEST => {
                let request = ConnectRequest {
                    key: self.total.get(),
                    next_expected,
                    connect_seqnum,
                };
                Some((Connect::Request(request), self.session.get()))
            }
            CONNECT_REPLY => {
                let reply = ConnectReply {
                    requester_session: self.session.get(),
                    next_expected,
                    connect_seqnum,
                    status: ConnectStatus::from_byte(status),
                };
                Some((Connect::Reply(reply), self.total.get()))
            }
            _ => None,
        }
    }

    /// Fills in an explicit acknowledgement.
    pub(super) fn put_ack(&mut self, ack: &LibAck) {
        self.kind = ACK;
        self.ack = ack.ack.into();
        self.total = ack.ack_number.into();
    }

    /// The explicit acknowledgement that a descriptor of that kind holds.
    pub(super) fn lib_ack(&self) -> LibAck {
        LibAck {
            ack: self.ack.get(),
            ack_number: self.total.get(),
        }
    }
}
