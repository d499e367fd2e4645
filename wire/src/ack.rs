//! TRUC: an explicit acknowledgement (wire.md §6.11).

use core::fmt;

use zerocopy::big_endian::{U16, U32};

use crate::envelope::Envelope;
use crate::header::{CONTROL_DATA, Start, control_data, header, kind, split};
use crate::{Ends, Frame, Packet, ParseError};

/// Sub-type of a TRUC that carries an acknowledgement, the only one there is.
const TRUC_ACK: u8 = 0x55;

/// TRUC (35), sub-type ack: an explicit acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LibAck {
    /// The next sequence number expected, cumulative.
    pub ack: u16,
    /// Counts the explicit acks of a partner, from 1.
    pub ack_number: u32,
}

header! {
    /// TRUC with an acknowledgement.
    Layout: 28 {
        start: Start,
        data_length: u8,
        pad5: [u8; 3],
        session: U32,
        subtype: u8,
        pad13: u8,
        ack: U16,
        /// Must equal `session`.
        acked_session: U32,
        ack_number: U32,
        /// Open-MX repeats the acknowledgement here and ignores it on receive.
        send_seq: U16,
        resent: u8,
        pad27: u8,
    }
}

impl LibAck {
    #[inline]
    pub(crate) fn parse(frame: Envelope, body: &[u8]) -> Result<Frame<'_>, ParseError> {
        let (h, _): (&Layout, _) = split(body)?;
        control_data(kind::TRUC, h.data_length)?;
        if h.subtype != TRUC_ACK {
            return Err(ParseError::TrucSubtype(h.subtype));
        }
        let (session, acked) = (h.session.get(), h.acked_session.get());
        if session != acked {
            return Err(ParseError::TrucSessions {
                destination: session,
                acked,
            });
        }
        let packet = Packet::LibAck {
            ends: h.start.ends(),
            session,
            ack: Self {
                ack: h.ack.get(),
                ack_number: h.ack_number.get(),
            },
        };
        frame.of(packet, &[])
    }

    #[inline]
    pub(crate) fn layout(&self, ends: Ends, session: u32) -> Layout {
        Layout {
            start: Start::new(kind::TRUC, ends),
            data_length: CONTROL_DATA,
            pad5: [0; 3],
            session: session.into(),
            subtype: TRUC_ACK,
            pad13: 0,
            ack: self.ack.into(),
            acked_session: session.into(),
            ack_number: self.ack_number.into(),
            send_seq: self.ack.into(),
            resent: 0,
            pad27: 0,
        }
    }
}

impl fmt::Display for LibAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ack {}, number {}", self.ack, self.ack_number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::*;

    #[test]
    fn truc() {
        let packet = Packet::LibAck {
            ends: B_TO_A,
            session: SESSION_A,
            ack: LibAck {
                ack: 5,
                ack_number: 1,
            },
        };
        is_both_ways(
            native(),
            b_to_a(packet, &[]),
            "02 00 00 00 0a 01 02 00 00 00 0b 02 86 df 00 03
             23 01 02 00 10 00 00 00 a1 a2 a3 a4 55 00 00 05
             a1 a2 a3 a4 00 00 00 01 00 05 00 00",
            "02:00:00:00:0b:02 > 02:00:00:00:0a:01 index 3: TRUC 2 > 1, session a1a2a3a4, ack 5, number 1",
        );
    }
}
