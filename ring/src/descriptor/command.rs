//! Commands as entries.

use mx_wire::{Content, LibAck, Pulled};
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromZeros, transmute};

use super::{ABORT_PULL, ACK, Descriptor, DescriptorError, LEAVE, NOTIFY, PULL, fields};
use crate::message::{Command, CommandBody, Destination, Farewell, Place, PullOrder, RegionKey};

fields! {
    /// PULL, and ABORT_PULL of which only the cookie counts.
    Order, 8: {
        window: u8,
        window_seqnum: u8,
        pad2: [u8; 2],
        cookie: U32,
        slot: U16,
        generation: U16,
        offset: U32,
        window_offset: U32,
        backend: U32,
    }
}

fields! {
    /// LEAVE: a NOTIFY that may be there, and the number of the last explicit acknowledgement.
    LastWords, 24: {
        window: u8,
        window_seqnum: u8,
        has_notice: u8,
        pad3: u8,
        ack_number: U32,
    }
}

impl Descriptor {
    /// A command as it goes into the queue.
    #[inline]
    pub fn from_command(command: &Command) -> Self {
        let mut e = Self::to(command.to);
        match &command.body {
            CommandBody::Message(message, place) => e.put_message(message, place),
            CommandBody::Connect(connect) => e.put_connect(connect, None),
            CommandBody::Ack(ack) => e.put_ack(ack),
            CommandBody::Pull(order) => {
                e.kind = PULL;
                e.total = order.length.into();
                e.payload = transmute!(Order {
                    window: order.window,
                    window_seqnum: order.window_seqnum,
                    cookie: order.cookie.into(),
                    slot: order.region.slot.into(),
                    generation: order.region.generation.into(),
                    offset: order.offset.into(),
                    window_offset: order.window_offset.into(),
                    backend: order.backend.into(),
                    ..Order::new_zeroed()
                });
            }
            CommandBody::AbortPull { cookie } => {
                e.kind = ABORT_PULL;
                e.payload = transmute!(Order {
                    cookie: (*cookie).into(),
                    ..Order::new_zeroed()
                });
            }
            CommandBody::Leave(Farewell { ack, notice }) => {
                if let Some(notice) = notice {
                    e.put_message(&notice.message(ack.ack), &Place::Apart);
                }
                e.kind = LEAVE;
                e.ack = ack.ack.into();
                e.payload = transmute!(LastWords {
                    has_notice: notice.is_some().into(),
                    ack_number: ack.ack_number.into(),
                    ..transmute!(e.payload)
                });
            }
        }
        e
    }

    /// The command that this entry alleges to be.
    #[inline]
    pub fn command(&self) -> Result<Command, DescriptorError> {
        let to = Destination {
            peer: self.peer.get(),
            endpoint: self.endpoint,
            session: self.session.get(),
        };
        let body = match self.message(self.kind)? {
            Some((mut message, mut place)) => {
                match &mut message.content {
                    Content::Small(_) => place = Place::Apart,
                    Content::Rendezvous(offer) => offer.window_offset = 0,
                    _ => {}
                }
                CommandBody::Message(message, place)
            }
            None => self.order()?,
        };
        Ok(Command { to, body })
    }

    /// Whatever is no message.
    fn order(&self) -> Result<CommandBody, DescriptorError> {
        if let Some((connect, _)) = self.connect(self.kind) {
            return Ok(CommandBody::Connect(connect));
        }
        Ok(match self.kind {
            ACK => CommandBody::Ack(self.lib_ack()),
            PULL => {
                let order: Order = transmute!(self.payload);
                CommandBody::Pull(PullOrder {
                    region: RegionKey {
                        slot: order.slot.get(),
                        generation: order.generation.get(),
                    },
                    offset: order.offset.get(),
                    length: self.total.get(),
                    window: order.window,
                    window_seqnum: order.window_seqnum,
                    window_offset: order.window_offset.get(),
                    cookie: order.cookie.get(),
                    backend: order.backend.get(),
                })
            }
            ABORT_PULL => {
                let order: Order = transmute!(self.payload);
                CommandBody::AbortPull {
                    cookie: order.cookie.get(),
                }
            }
            LEAVE => {
                let words: LastWords = transmute!(self.payload);
                let told = self.message(NOTIFY)?.filter(|_| words.has_notice != 0);
                CommandBody::Leave(Farewell {
                    ack: LibAck {
                        ack: self.ack.get(),
                        ack_number: words.ack_number.get(),
                    },
                    notice: told.and_then(|(message, _)| Pulled::of(&message)),
                })
            }
            kind => return Err(DescriptorError::UnknownKind(kind)),
        })
    }
}
