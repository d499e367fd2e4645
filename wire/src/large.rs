//! RNDV and NOTIFY: a large message is offered, and has been pulled (wire.md §6.7, §6.10).

use core::fmt;

use zerocopy::big_endian::{U16, U32};

use crate::envelope::Envelope;
use crate::header::{Matching, Start, header, kind, split};
use crate::{Content, Frame, Message, ParseError};

/// Data length field of RNDV.
const RENDEZVOUS_DATA: u16 = 8;

/// RNDV (40): a large message is ready to be pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rendezvous {
    /// Match info.
    pub match_info: u64,
    /// Bytes of the message.
    pub total: u32,
    /// The sender's window.
    pub window: u8,
    /// Counts the uses of that window.
    pub window_seqnum: u8,
    /// Where the message starts in the window.
    pub window_offset: u16,
}

header! {
    /// RNDV.
    Offer: 32 {
        start: Start,
        data_length: U16,
        checksum: U16,
        matching: Matching,
        total: U32,
        window: u8,
        window_seqnum: u8,
        window_offset: U16,
    }
}

impl Rendezvous {
    #[inline]
    pub(crate) fn parse(frame: Envelope, body: &[u8]) -> Result<Frame<'_>, ParseError> {
        let (h, _): (&Offer, _) = split(body)?;
        let length = h.data_length.get();
        if length < RENDEZVOUS_DATA {
            return Err(ParseError::DataLength {
                kind: kind::RNDV,
                length: usize::from(length),
            });
        }
        let rendezvous = Self {
            match_info: h.matching.match_info.get(),
            total: h.total.get(),
            window: h.window,
            window_seqnum: h.window_seqnum,
            window_offset: h.window_offset.get(),
        };
        frame.matching(&h.start, &h.matching, Content::Rendezvous(rendezvous), &[])
    }

    #[inline]
    pub(crate) fn layout(&self, start: Start, matching: Matching) -> Offer {
        Offer {
            start,
            data_length: RENDEZVOUS_DATA.into(),
            checksum: 0.into(),
            matching,
            total: self.total.into(),
            window: self.window,
            window_seqnum: self.window_seqnum,
            window_offset: self.window_offset.into(),
        }
    }
}

impl fmt::Display for Rendezvous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "match {:016x}, {} bytes in window {} use {} at {}",
            self.match_info, self.total, self.window, self.window_seqnum, self.window_offset
        )
    }
}

/// NOTIFY (43): a large message has been pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notify {
    /// Bytes transferred; 0 if the pull failed or the message was discarded.
    pub transferred: u32,
    /// Window of the RNDV.
    pub window: u8,
    /// Window seqnum of the RNDV.
    pub window_seqnum: u8,
}

header! {
    /// NOTIFY.
    End: 24 {
        start: Start,
        session: U32,
        transferred: U32,
        window: u8,
        window_seqnum: u8,
        pad14: [u8; 4],
        seq: U16,
        ack: U16,
        pad22: [u8; 2],
    }
}

impl Notify {
    #[inline]
    pub(crate) fn parse(frame: Envelope, body: &[u8]) -> Result<Frame<'_>, ParseError> {
        let (h, _): (&End, _) = split(body)?;
        let notify = Self {
            transferred: h.transferred.get(),
            window: h.window,
            window_seqnum: h.window_seqnum,
        };
        let numbers = (h.seq.get(), h.ack.get());
        frame.message(
            &h.start,
            h.session.get(),
            numbers,
            Content::Notify(notify),
            &[],
        )
    }

    #[inline]
    pub(crate) fn layout(&self, start: Start, session: u32, seq: u16, ack: u16) -> End {
        End {
            start,
            session: session.into(),
            transferred: self.transferred.into(),
            window: self.window,
            window_seqnum: self.window_seqnum,
            pad14: [0; 4],
            seq: seq.into(),
            ack: ack.into(),
            pad22: [0; 2],
        }
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bytes pulled of window {} use {}",
            self.transferred, self.window, self.window_seqnum
        )
    }
}

/// A [`Notify`] with its number, as it is kept for a partner that may not have heard it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The library's number of the message that says it.
    pub seq: u16,
    /// What it says.
    pub notify: Notify,
}

impl Pulled {
    /// What a message says, if it is one.
    pub fn of(message: &Message) -> Option<Self> {
        match message.content {
            Content::Notify(notify) => Some(Self {
                seq: message.seq,
                notify,
            }),
            _ => None,
        }
    }

    /// The message that says it, with an acknowledgement.
    pub const fn message(&self, ack: u16) -> Message {
        Message {
            seq: self.seq,
            ack,
            content: Content::Notify(self.notify),
        }
    }
}

impl fmt::Display for Pulled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seq {}, {}", self.seq, self.notify)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::*;

    #[test]
    fn rendezvous() {
        let content = Content::Rendezvous(Rendezvous {
            match_info: MATCH_INFO,
            total: 1 << 20,
            window: 0,
            window_seqnum: 0x17,
            window_offset: 0,
        });
        is_both_ways(
            native(),
            a_to_b(message(A_TO_B, 4, 1, content), &[]),
            "02 00 00 00 0b 02 02 00 00 00 0a 01 86 df 00 07
             28 02 01 00 00 08 00 00 00 04 00 01 11 22 33 44
             55 66 77 88 b1 b2 b3 b4 00 10 00 00 00 17 00 00",
            "02:00:00:00:0a:01 > 02:00:00:00:0b:02 index 7: RNDV 1 > 2, session b1b2b3b4, seq 4, ack 1, \
             match 1122334455667788, 1048576 bytes in window 0 use 23 at 0",
        );
    }

    #[test]
    fn notify() {
        let content = Content::Notify(Notify {
            transferred: 1 << 20,
            window: 0,
            window_seqnum: 0x17,
        });
        is_both_ways(
            native(),
            b_to_a(message(B_TO_A, 1, 5, content), &[]),
            "02 00 00 00 0a 01 02 00 00 00 0b 02 86 df 00 03
             2b 01 02 00 a1 a2 a3 a4 00 10 00 00 00 17 00 00
             00 00 00 01 00 05",
            "02:00:00:00:0b:02 > 02:00:00:00:0a:01 index 3: NOTIFY 2 > 1, session a1a2a3a4, seq 1, ack 5, \
             1048576 bytes pulled of window 0 use 23",
        );
    }
}
