//! A frame as far as it is read before its body.

use crate::header::{Matching, Start};
use crate::{Content, Frame, MacAddress, Message, Packet, ParseError};

/// A frame without its body: what is read first, so that each type can put the whole where the caller wants it.
pub(crate) struct Envelope {
    pub destination: MacAddress,
    pub source: MacAddress,
    pub sender_index: Option<u16>,
}

impl Envelope {
    #[inline]
    pub fn of(self, packet: Packet, payload: &[u8]) -> Result<Frame<'_>, ParseError> {
        Ok(Frame {
            destination: self.destination,
            source: self.source,
            sender_index: self.sender_index,
            packet,
            payload,
        })
    }

    /// Around a message whose `numbers` are its own and the acknowledgement.
    #[inline]
    pub fn message<'a>(
        self,
        start: &Start,
        session: u32,
        numbers: (u16, u16),
        content: Content,
        payload: &'a [u8],
    ) -> Result<Frame<'a>, ParseError> {
        let (seq, ack) = numbers;
        let packet = Packet::Message {
            ends: start.ends(),
            session,
            message: Message { seq, ack, content },
        };
        self.of(packet, payload)
    }

    /// Around a message that is matched.
    #[inline]
    pub fn matching<'a>(
        self,
        start: &Start,
        matching: &Matching,
        content: Content,
        payload: &'a [u8],
    ) -> Result<Frame<'a>, ParseError> {
        let numbers = (matching.seq.get(), matching.ack.get());
        self.message(start, matching.session.get(), numbers, content, payload)
    }
}
